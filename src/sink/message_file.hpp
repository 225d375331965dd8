// The file calls that one message needs, in the orders of file_order.hpp. Writers' threads only.
#pragma once

#include "sink/mailbox.hpp"
#include "sink/maildir_message.hpp"

namespace gatepost {

// Each of these works on a message that the calling thread owns. What fails is kept in the
// message: in `failure` when it concerns the content, in a target's when it concerns that maildir.

// Writes message.writing, opening the file first if there is none: in the first maildir that can
// be opened, without a name (O_TMPFILE) in the batched orders where the file system has that, else
// with one in tmp/. In the batched orders writing to the disk is begun, not waited for.
void write_content(MaildirMessage& message, MailboxCache& mailboxes, MonotonicNs now);

// Makes sure of the data before the name: journaled order: waits until it is written to the disk;
// portable: fsync; flushed: nothing, because the caller's syncfs follows.
void settle_content(MaildirMessage& message);

// After the flush of the flushed order: whether data of the file was lost earlier. A flush tells of
// lost data once to each who asks, so that a message whose content came in several batches may have
// been meant by the failure of another batch; its own file remembers (fsync(2), errseq_t).
void check_writeback(MaildirMessage& message);

// Puts the file into new/ of all targets that have not failed: by hard link, by a copy of its own
// where that is not possible, by a rename for the last of a file that has a temporary name.
void link_targets(MaildirMessage& message, MailboxCache& mailboxes, MonotonicNs now);

// Takes the target's name in new/ away again.
void unlink_target(MaildirMessage& message, MaildirTarget& target);

// Closes the file and removes its temporary name.
void discard_file(MaildirMessage& message);

}  // namespace gatepost
