#include "exporters/temporal/connection_options.h"

#include <algorithm>
#include <cctype>

namespace sidecar::temporal {
namespace {

// gRPC metadata: lower case, no space, and not what this exporter or gRPC itself sets.
bool ValidHeader(std::string_view name) {
  const bool valid = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  return valid && !name.empty() && !name.starts_with("grpc-") && !name.ends_with("-bin") &&
         name != "authorization" && name != "temporal-namespace";
}
bool Printable(std::string_view value) {
  return std::ranges::all_of(value, [](char c) { return c >= 0x20 && c < 0x7f; });
}

void ReadTls(TableReader table, ConnectionOptions::Tls& tls) {
  table.Field("enabled", tls.enabled, "Whether the frontend speaks TLS.");
  table.Field("ca_file", tls.ca_file, "Who signs the server's certificate; default: the system's.");
  table.Field("cert_file", tls.cert_file, "The client certificate (mTLS).");
  table.Field("key_file", tls.key_file, "The key of the client certificate.");
  table.Field("server_name", tls.server_name, "The name in the server's certificate, if another.");
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    table.Reject(tls.cert_file.empty() ? "key_file" : "cert_file",
                 "cert_file and key_file go together");
  }
  for (const auto& [key, value] : {std::pair{"ca_file", &tls.ca_file},
                                   {"cert_file", &tls.cert_file},
                                   {"server_name", &tls.server_name}}) {
    if (!value->empty() && !tls.enabled) table.Reject(key, "needs enabled = true");
  }
}

ConnectionOptions::Header ReadHeader(TableReader& table) {
  ConnectionOptions::Header header;
  table.Field("name", header.name, "Of the metadata, in lower case.");
  table.Field("value", header.value, "What it holds.");
  table.Field("secret", header.secret, "What it holds, if that is a secret.");
  if (!ValidHeader(header.name)) {
    table.Reject("name", "not a metadata name, or one that the exporter sets itself");
  }
  if (header.value.empty() == !header.secret) {
    table.Reject({}, "either value or secret_file or secret_env");
  }
  if (!Printable(header.value)) table.Reject("value", "metadata is printable ASCII");
  return header;
}

}  // namespace

void ConnectionOptions::Read(TableReader& table) {
  table.Field("address", address, "The frontend: host:port.").Flag("temporal.address");
  if (address.empty()) table.Reject("address", "an empty address");
  ReadTls(table.Table("tls"), tls);
  table.Field("api_key", api_key, "Sent as 'authorization: Bearer'.");
  table.Field("api_key_over_plaintext", api_key_over_plaintext,
              "Send the key although the connection is not TLS.");
  if (api_key && !tls.enabled && !api_key_over_plaintext) {
    table.Reject(table.Has("api_key_env") ? "api_key_env" : "api_key_file",
                 "would go over plaintext: set tls.enabled, or api_key_over_plaintext if the link "
                 "is safe");
  }
  headers.clear();
  for (TableReader& header : table.Tables("headers")) headers.push_back(ReadHeader(header));
  table.Field("max_message_bytes", max_message_bytes,
              "The largest answer taken; larger pages are asked for in parts.", 64LL << 10U,
              1LL << 30U);
}

std::string ConnectionOptions::Target() const {
  constexpr std::string_view kSchemes[] = {"dns:", "ipv4:", "ipv6:", "unix:", "unix-abstract:"};
  const bool has_scheme = std::ranges::any_of(
      kSchemes, [this](std::string_view scheme) { return address.starts_with(scheme); });
  return has_scheme ? address : "dns:///" + address;
}

std::string ConnectionOptions::Key() const {
  std::string key;
  const auto add = [&key](std::string_view part) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  };
  add(address);
  add(tls.enabled ? "tls" : "");
  for (const auto* part : {&tls.ca_file, &tls.cert_file, &tls.key_file, &tls.server_name}) {
    add(*part);
  }
  add(api_key.Describe());
  add(std::to_string(max_message_bytes));
  for (const Header& header : headers) {
    add(header.name);
    add(header.value);
    add(header.secret.Describe());
  }
  return key;
}

}  // namespace sidecar::temporal
