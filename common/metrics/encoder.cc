#include "common/metrics/encoder.h"

#include <algorithm>
#include <limits>
#include <string>

#include "common/metrics/dialect.h"

namespace sidecar {
namespace {

// Writes the rows of one family. What repeats from row to row is rendered once.
class RowWriter {
 public:
  RowWriter(const Batch::Impl& batch, const FamilyRows& family, bool exemplars, Output& output);
  void WriteAll();

 private:
  void WriteNumber(const Row& row);
  void WriteHistogram(const Row& row);
  void WriteSummary(const Row& row);

  // a="x",b="y": no braces, and no comma at the end.
  char* PutLabels(char* out, std::string_view text) const;
  char* PutPairs(char* out, std::string_view text) const;
  std::size_t LabelRoom(const Row& row) const { return fixed_ + std::size_t{3} * row.size; }
  void RenderLabels(const Row& row);
  // name_bucket{a="x",le="1.0"} 7, without the end of the line.
  void WriteBound(const char* suffix, std::string_view key, double bound, double value);
  void WriteTotal(const char* suffix, double value);
  void WriteExemplar(const Compound& compound, std::uint32_t bucket, std::uint32_t& next);

  const Batch::Impl& batch_;
  const FamilyRows& family_;
  const bool exemplars_;
  Output& output_;
  std::vector<std::string> opening_;  // a=" of the first label, ",b=" of the others
  std::size_t fixed_ = 0;             // bytes of these, name and punctuation
  std::string labels_;                // of the compound row at hand, with a comma behind each
};

RowWriter::RowWriter(const Batch::Impl& batch, const FamilyRows& family, bool exemplars,
                     Output& output)
    : batch_(batch), family_(family), exemplars_(exemplars), output_(output) {
  fixed_ = family.info.name.size() + 64;
  for (const std::string_view label : family.info.labels) {
    opening_.push_back((opening_.empty() ? "" : "\",") + std::string(label) + "=\"");
    fixed_ += opening_.back().size();
  }
}

void RowWriter::WriteAll() {
  for (std::size_t i = 0; i < family_.rows.size() && !output_.failed(); ++i) {
    const Row& row = family_.rows[i];
    batch_.Prefetch(family_, i + kAhead);
    switch (family_.info.kind) {
      case Kind::kHistogram:
        WriteHistogram(row);
        break;
      case Kind::kSummary:
        WriteSummary(row);
        break;
      default:
        WriteNumber(row);
    }
  }
}

char* RowWriter::PutLabels(char* out, std::string_view text) const {
  if (family_.foreign) return PutPairs(out, text);
  const char* at = text.data();
  for (const std::string& opening : opening_) {
    out = PutText(out, opening);
    out = PutEscaped(out, TakeString(at));
  }
  if (!opening_.empty()) *out++ = '"';
  return out;
}

char* RowWriter::PutPairs(char* out, std::string_view text) const {
  for (const char* at = text.data(); at != text.data() + text.size();) {
    if (at != text.data()) *out++ = ',';
    out = PutText(PutText(out, TakeString(at)), "=\"");
    out = PutEscaped(out, TakeString(at));
    *out++ = '"';
  }
  return out;
}

void RowWriter::WriteNumber(const Row& row) {
  char* out = PutText(output_.Reserve(LabelRoom(row)), family_.info.name);
  if (row.size != 0) {
    *out++ = '{';
    out = PutLabels(out, batch_.RowText(row));
    *out++ = '}';
  }
  *out++ = ' ';
  out = PutNumber(out, row.value);
  *out++ = '\n';
  output_.Commit(out);
}

void RowWriter::WriteBound(const char* suffix, std::string_view key, double bound, double value) {
  char* out = output_.Reserve(fixed_ + labels_.size() + 2 * kNumberSize);
  out = PutText(PutText(out, family_.info.name), suffix);
  *out++ = '{';
  out = PutText(PutText(PutText(out, labels_), key), "=\"");
  out = PutText(PutBound(out, bound), "\"} ");
  output_.Commit(PutNumber(out, value));
}

void RowWriter::WriteTotal(const char* suffix, double value) {
  char* out = output_.Reserve(fixed_ + labels_.size() + kNumberSize);
  out = PutText(PutText(out, family_.info.name), suffix);
  if (!labels_.empty()) {
    *out++ = '{';
    out = PutText(out, {labels_.data(), labels_.size() - 1});
    *out++ = '}';
  }
  *out++ = ' ';
  out = PutNumber(out, value);
  *out++ = '\n';
  output_.Commit(out);
}

void RowWriter::WriteExemplar(const Compound& compound, std::uint32_t bucket, std::uint32_t& next) {
  if (!exemplars_ || next == compound.exemplar_count) return;
  const StoredExemplar& exemplar = batch_.exemplars[compound.exemplars + next];
  if (exemplar.bucket != bucket) return;
  ++next;
  char* out = output_.Reserve(std::size_t{exemplar.size} * 3 + 2 * kNumberSize);
  out = PutPairs(PutText(out, " # {"), {batch_.text.data() + exemplar.text, exemplar.size});
  out = PutNumber(PutText(out, "} "), exemplar.value);
  *out++ = ' ';
  output_.Commit(PutSeconds(out, exemplar.time_ms));
}

void RowWriter::RenderLabels(const Row& row) {
  labels_.resize(LabelRoom(row));
  char* const end = PutLabels(labels_.data(), batch_.RowText(row));
  labels_.resize(static_cast<std::size_t>(end - labels_.data()));
  if (!labels_.empty()) labels_ += ',';
}

void RowWriter::WriteHistogram(const Row& row) {
  const Compound& compound = batch_.CompoundOf(row);
  const auto bounds = batch_.Numbers(compound.keys, compound.size);
  const auto counts = batch_.Numbers(compound.values, std::size_t{compound.size} + 1);
  RenderLabels(row);
  std::uint32_t exemplar = 0;
  for (std::uint32_t i = 0; i < counts.size(); ++i) {
    const bool last = i == bounds.size();
    WriteBound("_bucket", "le", last ? std::numeric_limits<double>::infinity() : bounds[i],
               counts[i]);
    WriteExemplar(compound, i, exemplar);
    output_.Append("\n");
  }
  WriteTotal("_sum", compound.sum);
  WriteTotal("_count", compound.count);
}

void RowWriter::WriteSummary(const Row& row) {
  const Compound& compound = batch_.CompoundOf(row);
  const auto quantiles = batch_.Numbers(compound.keys, compound.size);
  const auto values = batch_.Numbers(compound.values, compound.size);
  RenderLabels(row);
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    WriteBound("", "quantile", quantiles[i], values[i]);
    output_.Append("\n");
  }
  WriteTotal("_sum", compound.sum);
  WriteTotal("_count", compound.count);
}

// Whether name[] asks for the family: by its name, or by that of one of its samples.
bool Asked(const std::vector<std::string>& names, const FamilyInfo& info) {
  const auto asked = [&](const char* suffix) {
    return std::ranges::find(names, std::string(info.name) + suffix) != names.end();
  };
  if (asked("")) return true;
  const bool histogram = info.kind == Kind::kHistogram;
  if (!histogram && info.kind != Kind::kSummary) return false;
  return asked("_sum") || asked("_count") || (histogram && asked("_bucket"));
}

// One snapshot as the body of one response.
class Body {
 public:
  Body(const Snapshot& snapshot, Format format, const Write& write)
      : snapshot_(snapshot),
        format_(static_cast<std::size_t>(format)),
        write_(write),
        groups_(snapshot.groups ? snapshot.groups
                                : std::make_shared<const FamilyGroups>(snapshot.parts)),
        all_(*groups_),
        dialect_(format == Format::kText ? MakeText(all_) : MakeOpenMetrics(all_)) {}

  Result<> Run();

 private:
  struct Part {
    bool apart = true;  // no family of it has rows in another part
    std::uint64_t shape = 0;
    bool sent = false;
  };

  std::size_t PartOf(const FamilyGroups::Group& group) const {
    return all_.members()[group.first].part;
  }
  void WriteGroup(std::size_t index, Output& output) const;
  void Examine();
  Result<> SendPacked();
  Result<std::shared_ptr<const Packed>> Pack(std::size_t part, Packer& packer) const;

  const Snapshot& snapshot_;
  const std::size_t format_;
  const Write& write_;
  const std::shared_ptr<const FamilyGroups> groups_;
  const FamilyGroups& all_;
  const std::unique_ptr<Dialect> dialect_;
  std::vector<Part> parts_;
};

void Body::WriteGroup(std::size_t index, Output& output) const {
  const FamilyGroups::Group& group = all_.groups()[index];
  dialect_->Begin(index, output);
  for (std::uint32_t at = group.first; at != kNone; at = all_.members()[at].next) {
    const FamilyGroups::Member& member = all_.members()[at];
    const FamilyRows& family = all_.rows(member);
    if (family.info.kind != group.kind) continue;  // nobody dropped it
    RowWriter(all_.batch(member), family, dialect_->exemplars(), output).WriteAll();
  }
}

void Body::Examine() {
  for (std::size_t i = 0; i < all_.groups().size(); ++i) {
    const FamilyGroups::Group& group = all_.groups()[i];
    Part& part = parts_[PartOf(group)];
    part.shape = part.shape * 1'099'511'628'211U + dialect_->Shape(i);
    if (!group.several_parts) continue;
    for (std::uint32_t at = group.first; at != kNone; at = all_.members()[at].next) {
      parts_[all_.members()[at].part].apart = false;
    }
  }
}

Result<std::shared_ptr<const Packed>> Body::Pack(std::size_t part, Packer& packer) const {
  std::string text;
  const Write keep([&text](std::string_view piece) {
    text += piece;
    return Result<>{};
  });
  Output output(keep);
  for (std::size_t i = 0; i < all_.groups().size(); ++i) {
    if (PartOf(all_.groups()[i]) == part) WriteGroup(i, output);
  }
  if (auto written = output.Finish(); !written) return Fail(std::move(written.error()));
  return std::make_shared<const Packed>(packer.Pack(text));
}

Result<> Body::SendPacked() {
  Packer* packer = nullptr;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Batch::Impl& batch = snapshot_.parts[i]->impl();
    if (!parts_[i].apart || batch.order.empty() || !snapshot_.parts[i]->small()) continue;
    auto packed = batch.packed.Find(format_, parts_[i].shape);
    if (!packed && !batch.packed.AskedAgain()) continue;
    if (packer == nullptr) packer = write_.packer();
    if (packer == nullptr) return {};
    if (!packed) {
      auto made = Pack(i, *packer);
      if (!made) return Fail(std::move(made.error()));
      packed = std::move(*made);
      batch.packed.Keep(format_, parts_[i].shape, packed);
    }
    if (auto sent = packer->Add(*packed); !sent) return sent;
    parts_[i].sent = true;
  }
  return {};
}

Result<> Body::Run() {
  parts_.resize(snapshot_.parts.size());
  if (write_.packs() && snapshot_.names.empty()) {
    Examine();
    if (auto sent = SendPacked(); !sent) return sent;
  }
  Output output(write_);
  for (std::size_t i = 0; i < all_.groups().size() && !output.failed(); ++i) {
    const FamilyGroups::Group& group = all_.groups()[i];
    if (parts_[PartOf(group)].sent) continue;
    if (snapshot_.names.empty() || Asked(snapshot_.names, all_.info(group))) WriteGroup(i, output);
  }
  dialect_->End(output);
  return output.Finish();
}

}  // namespace

Result<> Encode(const Snapshot& snapshot, Format format, const Write& write) {
  return Body(snapshot, format, write).Run();
}

}  // namespace sidecar
