// Who belongs to the job and who coordinates it: losses, arrivals and departures of servers, and
// appointments. A member that is known to be gone leaves the list before anybody goes on without
// it; of those that live, one at a time. Pure functions.
#pragma once

#include "operator/core/draft.h"

namespace ballast::decide {

// Members that are gone, or that nobody can reach.
void remove_lost_members(Draft& draft);
// Servers that the plan does not want, and that have given all their segments away.
void let_members_leave(Draft& draft);
// It may live and be cut off, or hang: whoever is appointed finds out.
void replace_silent_coordinator(Draft& draft);
// The first list is the whole job's; later a restarted server is added as soon as it is ready.
void admit_members(Draft& draft);
// Every segment holds its first value: steps may be committed.
void take_origin(Draft& draft);
// A coordinator that is to leave hands its role over first, when no loss is being mended.
void hand_over(Draft& draft);

// To the last checkpoint that was read back, or to the beginning: with all servers that the
// specification wants, under a new term and a new origin.
void go_back(Draft& draft);

}  // namespace ballast::decide
