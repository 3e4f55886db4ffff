#pragma once
// A gRPC server that answers any method by a function of the test, on a free port of 127.0.0.1: for
// what a real frontend does not do on demand. Handlers run on gRPC's threads, several at once.
//
//   FakeFrontend server;
//   server.On("CountWorkflowExecutions", [](const FakeFrontend::Call&) {
//     return Reply{.code = Code::kResourceExhausted, .details = bytes};
//   });
//   options.address = server.address();

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "exporters/temporal/transport.h"

namespace sidecar::temporal {

class FakeFrontend {
 public:
  struct Call {
    std::string method;  // "CountWorkflowExecutions"
    std::string body;    // a serialized request
    std::multimap<std::string, std::string> metadata;
  };
  // Nothing: the call hangs until its client gives up.
  using Handler = std::function<std::optional<Reply>(const Call&)>;
  struct Tls {  // PEM
    std::string certificate, key;
    std::string client_ca{};  // not empty: clients must have a certificate of it
  };

  FakeFrontend();
  explicit FakeFrontend(const Tls& tls);
  ~FakeFrontend();
  FakeFrontend(const FakeFrontend&) = delete;
  FakeFrontend& operator=(const FakeFrontend&) = delete;

  // Methods without a handler answer UNIMPLEMENTED "unknown method X", as a server without them.
  void On(std::string_view method, Handler handler);
  std::string address() const;  // "127.0.0.1:41234"
  // Ends every connection with GOAWAY, and the calls on it; who connects again is served at once.
  void Restart();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A certificate authority in a temporary folder, made when it is needed, and certificates for one
// DNS name by it.
//
//   const Certificates files;
//   files.Make("server", "temporal.example");
//   FakeFrontend server({.certificate = files.Read("server.crt"), .key =
//   files.Read("server.key")});
class Certificates {
 public:
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  void MakeAuthority() const;  // ca.crt and ca.key; again: another of the same name
  void Make(const std::string& name, const std::string& dns) const;  // NAME.crt and NAME.key
  std::string Write(const std::string& name, const std::string& text) const;  // its path
  std::string Read(const std::string& name) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  void Shell(const std::string& command) const;
  std::filesystem::path folder_;
};

// One that accepts connections and says what it is told, whatever it hears: no gRPC at all.
class BabblingServer {
 public:
  explicit BabblingServer(std::string says);
  ~BabblingServer();
  BabblingServer(const BabblingServer&) = delete;
  BabblingServer& operator=(const BabblingServer&) = delete;
  std::string address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Passes bytes between clients and a server of 127.0.0.1, until it is told to be silent: then
// nothing passes on the connections that there are, and they stay open, as through a firewall that
// has forgotten them. New ones pass.
class Relay {
 public:
  explicit Relay(const std::string& to);  // "127.0.0.1:41234"
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  void Silence();
  std::string address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidecar::temporal
