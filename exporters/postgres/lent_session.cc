#include "exporters/postgres/lent_session.h"

#include "exporters/postgres/server_session.h"

namespace sidecar::postgres {
namespace {

// A thousand tables, each of which is a row of two queries.
constexpr std::size_t kManyRows = 2'000;

class RowCounter final : public RowReader {
 public:
  explicit RowCounter(RowReader& reader) : reader_(reader) {}
  Result<> Begin(std::span<const Column> columns) override { return reader_.Begin(columns); }
  Result<> Row(std::span<const Cell> cells) override { return ++rows, reader_.Row(cells); }
  std::size_t rows = 0;

 private:
  RowReader& reader_;
};

class LentSession final : public Session {
 public:
  explicit LentSession(std::unique_ptr<Server::Lease> lease) : lease_(std::move(lease)) {}
  ~LentSession() override {
    if (rows_ > kManyRows) (*lease_)->Close();
  }
  Result<> Ready(const Scrape& scrape) override { return (*lease_)->Ready(scrape); }
  Result<> Query(const Scrape& scrape, const Statement& statement, RowReader& reader) override {
    RowCounter counter(reader);
    auto done = (*lease_)->Query(scrape, statement, counter);
    rows_ += counter.rows;
    return done;
  }
  const Facts& facts() const override { return (*lease_)->facts(); }

 private:
  const std::unique_ptr<Server::Lease> lease_;
  std::size_t rows_ = 0;
};

}  // namespace

std::unique_ptr<Session> Lend(Server& server, const std::string& lane) {
  return std::make_unique<LentSession>(server.Take(lane));
}

}  // namespace sidecar::postgres
