#pragma once
// Accepts connections of one listening socket on the event loop (Asio stays in the .cc). Everything
// on the loop's thread.
//
//   auto acceptor = http::Acceptor::Start(io, std::move(socket), admit, shortage);
//   acceptor->Close();

#include <functional>
#include <memory>

#include "common/base/unique_fd.h"

namespace boost::asio {
class io_context;
}

namespace sidecar::http {

class Acceptor {
 public:
  using Admit = std::function<void(UniqueFd)>;      // one connection, non-blocking
  using Shortage = std::function<void(int error)>;  // the process or system is out of something

  static std::shared_ptr<Acceptor> Start(boost::asio::io_context& io, UniqueFd socket, Admit admit,
                                         Shortage shortage);
  virtual ~Acceptor() = default;
  virtual void Close() = 0;
};

}  // namespace sidecar::http
