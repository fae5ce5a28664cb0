// One bidirectional stream of raw messages over gRPC, from either end: one read and one write under
// way at a time, the rest of what goes out queued in order. Reports to its owner; knows no session.
//
// Invariant: a link is deleted only when idle(): none of its operations is under way in the queue.
// Thread rule: the thread that polls the completion queue.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>

namespace ballast {

class Link;

// What the completion queue hands back.
class Completion {
 public:
  explicit Completion(std::function<void(bool ok)> act) : act_(std::move(act)) {}
  void operator()(bool ok) { act_(ok); }

 private:
  std::function<void(bool ok)> act_;
};

class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  virtual void link_opened(Link& link) = 0;  // caller's end only: the call is under way
  virtual void link_received(Link& link, grpc::ByteBuffer message) = 0;
  virtual void link_closed(Link& link, const grpc::Status& status) = 0;  // last call
};

class Link {
 public:
  explicit Link(LinkOwner& owner);
  virtual ~Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void send(grpc::ByteBuffer message);
  size_t queued_bytes() const { return queued_bytes_; }
  // Ends the stream; the serving end tells the other `status`, after what was queued where that is
  // possible. Nothing is received any more; link_closed follows.
  void close(grpc::Status status);
  bool closing() const { return closing_; }
  // No more operations start; what is under way is cancelled. Then idle() comes.
  void abandon();
  bool idle() const { return pending_ == 0 && (finished_ || abandoned_); }

  virtual std::shared_ptr<const grpc::AuthContext> auth_context() const = 0;

 protected:
  void opened(bool ok);
  void start_reading();
  virtual void do_read(grpc::ByteBuffer* into, void* tag) = 0;
  virtual void do_write(const grpc::ByteBuffer& message, void* tag) = 0;
  virtual void do_finish(grpc::Status* status, void* tag) = 0;
  virtual void do_cancel() = 0;
  // The caller's end learns its status from the other; the serving end says it.
  virtual bool cancel_to_close() const = 0;

  LinkOwner& owner_;
  int pending_ = 0;
  Completion opened_tag_;

 private:
  void start_writing();
  void read_done(bool ok);
  void write_done(bool ok);
  void finish_when_quiet();

  Completion read_tag_;
  Completion write_tag_;
  Completion finish_tag_;
  grpc::ByteBuffer incoming_;
  std::deque<grpc::ByteBuffer> queue_;
  size_t queued_bytes_ = 0;
  grpc::Status status_;
  bool open_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  bool abandoned_ = false;
};

// The caller's end; its call begins in open().
class CallerLink : public Link {
 public:
  CallerLink(LinkOwner& owner, std::shared_ptr<grpc::ChannelInterface> channel);
  void open(const std::string& method, grpc::CompletionQueue* queue);
  std::shared_ptr<const grpc::AuthContext> auth_context() const override;

 private:
  void do_read(grpc::ByteBuffer* into, void* tag) override { stream_->Read(into, tag); }
  void do_write(const grpc::ByteBuffer& message, void* tag) override {
    stream_->Write(message, tag);
  }
  void do_finish(grpc::Status* status, void* tag) override { stream_->Finish(status, tag); }
  void do_cancel() override { context_.TryCancel(); }
  bool cancel_to_close() const override { return true; }

  std::shared_ptr<grpc::ChannelInterface> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

// The serving end; waits for a call in accept().
class ServerLink : public Link {
 public:
  explicit ServerLink(LinkOwner& owner);
  // `accepted(link, ok)` comes once, before any other report; ok is false at shutdown.
  void accept(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue* queue,
              std::function<void(ServerLink&, bool ok)> accepted);
  const std::string& method() const { return context_.method(); }
  std::string peer() const { return context_.peer(); }
  std::shared_ptr<const grpc::AuthContext> auth_context() const override {
    return context_.auth_context();
  }

 private:
  void do_read(grpc::ByteBuffer* into, void* tag) override { stream_.Read(into, tag); }
  void do_write(const grpc::ByteBuffer& message, void* tag) override {
    stream_.Write(message, tag);
  }
  void do_finish(grpc::Status* status, void* tag) override { stream_.Finish(*status, tag); }
  void do_cancel() override;
  bool cancel_to_close() const override { return false; }

  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  Completion accepted_tag_;
  std::function<void(ServerLink&, bool)> accepted_;
  bool has_call_ = false;
};

}  // namespace ballast
