#include "exporters/postgres/stop_event.h"

#include <gtest/gtest.h>
#include <poll.h>

namespace sidecar::postgres {
namespace {

bool Wakes(const StopEvent& stop) {
  pollfd polled{.fd = stop.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&polled, 1, 0) == 1;
}

TEST(StopEventTest, WakesUntilItIsForgotten) {
  StopEvent stop;
  EXPECT_FALSE(Wakes(stop));
  stop.Write();
  stop.Write();
  EXPECT_TRUE(Wakes(stop));
  stop.Forget();
  EXPECT_FALSE(Wakes(stop)) << "a stop that came late is not the next statement's";
  stop.Write();
  EXPECT_TRUE(Wakes(stop));
}

}  // namespace
}  // namespace sidecar::postgres
