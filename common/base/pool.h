#pragma once
// Threads for work that may block: HTTP handlers. Started on demand, kept for reuse, bounded.
// Thread-safe. The destructor waits for what is running.
//
//   if (!pool.Run([=] { Answer(connection); })) Refuse(connection);  // all busy: 503

#include <cstddef>
#include <functional>
#include <memory>

namespace sidecar {

class Pool {
 public:
  explicit Pool(std::size_t max_threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // False when all threads are busy: nothing is queued, so that whoever asks can say so at once.
  [[nodiscard]] bool Run(std::function<void()> work);
  std::size_t busy() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar
