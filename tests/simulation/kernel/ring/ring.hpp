// Stands in for src/ring/ring.hpp.
#pragma once

#include "simulation/simulated_ring.hpp"

namespace gatepost::ring {

using Ring = simulation::SimulatedRing;

}  // namespace gatepost::ring
