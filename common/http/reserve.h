#pragma once
// One thread with a queue, for answers that must come while every thread of the pool is busy. It is
// started by the first of them. Run: one thread; the destructor drops what has not begun, and waits
// for what has.
//
//   reserve.Run([=] { Answer(connection); });

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace sidecar::http {

class Reserve {
 public:
  void Run(std::function<void()> work) {
    {
      const std::scoped_lock lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_one();
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
    }
  }

 private:
  void Loop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !queue_.empty(); }) &&
           !stop.stop_requested()) {
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;  // guards queue_
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> queue_;
  std::jthread thread_;  // last, so that it ends first
};

}  // namespace sidecar::http
