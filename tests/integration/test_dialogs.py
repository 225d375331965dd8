"""Every dialog file, over a real socket, in each segmentation that it asks for (SMG-10)."""
import pytest

import dialog

CASES = [(one, split, name) for one in dialog.all_dialogs() for name, split in dialog.runs(one)]


@pytest.mark.parametrize("one, split", [pytest.param(one, split, id=name) for one, split, name in CASES])
def test_dialog(one, split, shared_servers):
    gatepost = shared_servers.get(one.flags)
    try:
        dialog.play(one, gatepost, split)
    except AssertionError as problem:
        pytest.fail(str(problem), pytrace=False)  # the story is told by the message
    shared_servers.get(one.flags)  # still alive
