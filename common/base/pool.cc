#include "common/base/pool.h"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace sidecar {
namespace {

struct Worker {
  std::function<void()> work;
  std::condition_variable wake;
  std::thread thread;
};

}  // namespace

struct Pool::Impl {
  explicit Impl(std::size_t max) : max_threads(max) { workers.reserve(max); }

  void Loop(Worker& worker) {
    ::pthread_setname_np(::pthread_self(), "handler");  // for top -H
    std::unique_lock lock(mutex);
    while (true) {
      worker.wake.wait(lock, [&] { return worker.work != nullptr || stopping; });
      if (!worker.work) return;
      lock.unlock();
      worker.work();
      worker.work = nullptr;  // what it captured goes before the thread counts as free
      lock.lock();
      idle.push_back(&worker);
    }
  }

  const std::size_t max_threads;
  mutable std::mutex mutex;
  bool stopping = false;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<Worker*> idle;  // last in, first out: the warm stack is used again
};

Pool::Pool(std::size_t max_threads) : impl_(std::make_unique<Impl>(max_threads)) {}

Pool::~Pool() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
    for (const auto& worker : impl_->workers) worker->wake.notify_one();
  }
  for (const auto& worker : impl_->workers) worker->thread.join();
}

bool Pool::Run(std::function<void()> work) {
  std::unique_lock lock(impl_->mutex);
  if (impl_->stopping) return false;
  if (!impl_->idle.empty()) {
    Worker& worker = *impl_->idle.back();
    impl_->idle.pop_back();
    worker.work = std::move(work);
    lock.unlock();  // or it would wake only to wait for the mutex
    worker.wake.notify_one();
    return true;
  }
  if (impl_->workers.size() >= impl_->max_threads) return false;
  auto worker = std::make_unique<Worker>();
  worker->work = std::move(work);
  try {
    worker->thread = std::thread([impl = impl_.get(), self = worker.get()] { impl->Loop(*self); });
  } catch (const std::system_error&) {
    return false;  // no thread to be had (EAGAIN): as good as busy
  }
  impl_->workers.push_back(std::move(worker));
  return true;
}

std::size_t Pool::busy() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->workers.size() - impl_->idle.size();
}

}  // namespace sidecar
