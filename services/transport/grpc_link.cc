#include "services/transport/grpc_link.h"

#include <utility>

namespace ballast {

Link::Link(LinkOwner& owner)
    : owner_(owner),
      opened_tag_([this](bool ok) {
        --pending_;
        opened(ok);
      }),
      read_tag_([this](bool ok) { read_done(ok); }),
      write_tag_([this](bool ok) { write_done(ok); }),
      finish_tag_([this](bool) {
        --pending_;
        finished_ = true;
        if (!abandoned_) owner_.link_closed(*this, status_);
      }) {}

void Link::opened(bool ok) {
  open_ = ok;
  if (abandoned_) return;
  if (!ok || closing_) {
    closing_ = true;
    return finish_when_quiet();
  }
  owner_.link_opened(*this);
  start_reading();
  start_writing();
}

void Link::start_reading() {
  open_ = true;
  if (reading_ || closing_ || abandoned_) return;
  reading_ = true;
  ++pending_;
  do_read(&incoming_, &read_tag_);
}

void Link::read_done(bool ok) {
  --pending_;
  reading_ = false;
  if (abandoned_) return;
  if (!ok) {
    // The other end has closed, or the connection is gone; a write under way fails too.
    if (!closing_ && !cancel_to_close()) do_cancel();
    closing_ = true;
    return finish_when_quiet();
  }
  if (closing_) return finish_when_quiet();
  grpc::ByteBuffer message;
  message.Swap(&incoming_);
  start_reading();
  owner_.link_received(*this, message);
}

void Link::send(grpc::ByteBuffer message) {
  if (closing_ || abandoned_) return;
  queued_bytes_ += message.Length();
  queue_.push_back(std::move(message));
  start_writing();
}

void Link::start_writing() {
  if (writing_ || queue_.empty() || !open_ || finishing_ || abandoned_) return;
  writing_ = true;
  ++pending_;
  do_write(queue_.front(), &write_tag_);
}

void Link::write_done(bool ok) {
  --pending_;
  writing_ = false;
  queued_bytes_ -= queue_.front().Length();
  queue_.pop_front();
  if (abandoned_) return;
  if (!ok && !closing_) {
    if (cancel_to_close()) {
      // The read ends too, and then with the other end's reason; to cancel would hide it.
      queue_.clear();
      queued_bytes_ = 0;
      return;
    }
    closing_ = true;
    do_cancel();
  }
  if (closing_) return finish_when_quiet();
  start_writing();
}

void Link::close(grpc::Status status) {
  if (closing_ || abandoned_) return;
  closing_ = true;
  status_ = std::move(status);
  if (cancel_to_close()) do_cancel();
  finish_when_quiet();
}

// The serving end may finish while a read waits, but not while a write does.
void Link::finish_when_quiet() {
  if (finishing_ || abandoned_ || writing_) return;
  if (cancel_to_close() && pending_ > 0) return;
  finishing_ = true;
  ++pending_;
  do_finish(&status_, &finish_tag_);
}

void Link::abandon() {
  if (abandoned_) return;
  abandoned_ = true;
  do_cancel();
}

CallerLink::CallerLink(LinkOwner& owner, std::shared_ptr<grpc::ChannelInterface> channel)
    : Link(owner), channel_(std::move(channel)), stub_(channel_) {}

void CallerLink::open(const std::string& method, grpc::CompletionQueue* queue) {
  stream_ = stub_.PrepareCall(&context_, method, queue);
  ++pending_;
  stream_->StartCall(&opened_tag_);
}

std::shared_ptr<const grpc::AuthContext> CallerLink::auth_context() const {
  return context_.auth_context();
}

ServerLink::ServerLink(LinkOwner& owner)
    : Link(owner), stream_(&context_), accepted_tag_([this](bool ok) {
        --pending_;
        has_call_ = ok;
        accepted_(*this, ok);
        if (ok) start_reading();
      }) {}

void ServerLink::accept(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue* queue,
                        std::function<void(ServerLink&, bool ok)> accepted) {
  accepted_ = std::move(accepted);
  ++pending_;
  service.RequestCall(&context_, &stream_, queue, queue, &accepted_tag_);
}

void ServerLink::do_cancel() {
  if (has_call_) context_.TryCancel();
}

}  // namespace ballast
