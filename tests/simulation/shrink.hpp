// Looks for the smallest part of a failing run that still fails.
#pragma once

#include <functional>
#include <string>

#include "simulation/world.hpp"

namespace gatepost::simulation {

// Leaves out clients, then kinds of faults, then the end of the run, as long as the same check
// fails. Prints progress, and the last events of the smallest run with the command that replays it.
void shrink(const RunOptions& run, const RunResult& failed,
            const policy::RecipientDirectory& directory,
            const std::function<std::string(const RunOptions&)>& command_for);

}  // namespace gatepost::simulation
