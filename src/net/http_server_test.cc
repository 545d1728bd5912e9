// The server against clients without manners, over raw sockets.
#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "net/test_server.h"

namespace seamount::net {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TestServer::Handler Echo() {
  return [](ServerRequest& request) {
    const auto body = ReadAll(request, 7);
    return body ? Answer(200, *body) : Answer(400, "broken");
  };
}

TEST(HttpServerTest, AnswersMalformedRequestsWith400) {
  TestServer server(Echo());
  for (const char* bad :
       {"rubbish\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n" /* no Host */,
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost a\n\n", "\x16\x03\x01\x02\x01\x01\xfc" /* TLS hello */}) {
    RawClient client(server.port());
    client.Send(bad);
    client.EndSending();
    const std::string answer = client.Receive();
    EXPECT_THAT(answer, testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 505 "))) << bad;
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  }
}

// Codings that are not undone would be taken for content.
TEST(HttpServerTest, RefusesTransferEncodingsOtherThanChunked) {
  TestServer server(Echo());
  for (const char* head :
       {"HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", "HTTP/1.1\r\nTransfer-Encoding: gzip",
        "HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "HTTP/1.1\r\nTransfer-Encoding: chunked, identity", "HTTP/1.0\r\nTransfer-Encoding: chunked"}) {
    RawClient client(server.port());
    client.Send("POST / " + std::string(head) + "\r\nHost: a\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    client.EndSending();
    EXPECT_THAT(client.Receive(), testing::AnyOf(StartsWith("HTTP/1.1 501 "), StartsWith("HTTP/1.1 400 "))) << head;
  }
}

TEST(HttpServerTest, RandomRubbishDoesNotStopIt) {
  TestServer server(Echo());
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string good = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (int i = 0; i < 200; ++i) {
    std::string text = good;
    for (int changes = 0; changes < 3; ++changes) text[random() % text.size()] = static_cast<char>(random());
    RawClient client(server.port());
    client.Send(std::string_view(text).substr(0, random() % (text.size() + 1)));
    client.EndSending();
    client.Receive();
  }
  RawClient client(server.port());
  client.Send(good);
  EXPECT_THAT(client.Receive("abc"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServerTest, LimitsTheHead) {
  TestServer server(Echo(), {.max_header_bytes = 4096});
  RawClient client(server.port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(8192, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 431 "));
}

TEST(HttpServerTest, ReadsChunkedBodies) {
  TestServer server(Echo());
  RawClient client(server.port());
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nhello\r\n10\r\n, chunked world!\r\n0\r\nTrailer: x\r\n\r\n";
  for (int i = 0; i < 2; ++i) {
    client.Send(request);
    EXPECT_THAT(client.Receive("world!"), EndsWith("\r\n\r\nhello, chunked world!"));
  }
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_THAT(client.Receive(), EndsWith("broken"));
}

// Who sends what is no chunk is told so; who breaks off may come again.
TEST(HttpServerTest, TellsAMalformedChunkFromABrokenConnection) {
  TestServer server([](ServerRequest& request) {
    const auto body = ReadAll(request);
    return Answer(200, body ? "whole" : base::ErrorCodeName(body.error().code()));
  });
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* bad : {"zz\r\n", "3\r\nabcde\r\n", "ffffffffffffffffff\r\nx"}) {
    RawClient client(server.port());
    client.Send(head + bad);
    EXPECT_THAT(client.Receive("InvalidArgument"), EndsWith("InvalidArgument")) << bad;
  }
  RawClient client(server.port());
  client.Send(head + "5\r\nab");
  client.EndSending();
  EXPECT_THAT(client.Receive(), EndsWith("Unavailable"));
}

TEST(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  TestServer server([](ServerRequest& request) { return Answer(200, request.target); });
  RawClient client(server.port());
  client.Send(
      "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answers = client.Receive();
  EXPECT_LT(answers.find("/1"), answers.find("/2"));
  EXPECT_THAT(answers, EndsWith("/3"));
}

TEST(HttpServerTest, SendsContinueOnlyWhenTheBodyIsRead) {
  TestServer server([](ServerRequest& request) {
    return request.target == "/read" ? Answer(200, ReadAll(request).value()) : Answer(403, "no");
  });
  const std::string head = " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  RawClient welcome(server.port());
  welcome.Send("PUT /read" + head);
  EXPECT_EQ(welcome.Receive("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  welcome.Send("body");
  EXPECT_THAT(welcome.Receive("body"), StartsWith("HTTP/1.1 200 OK"));
  RawClient refused(server.port());
  refused.Send("PUT /refuse" + head);
  const std::string answer = refused.Receive();  // closed: it cannot know whether the body still comes
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
}

TEST(HttpServerTest, ABodyThatEndsEarlyIsAnError) {
  std::atomic<int> broken = 0;
  TestServer server([&](ServerRequest& request) {
    if (!ReadAll(request)) ++broken;
    return Answer(400);
  });
  RawClient client(server.port());
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  client.EndSending();
  client.Receive();
  EXPECT_EQ(broken, 1);
}

TEST(HttpServerTest, KeepsHttp10Manners) {
  TestServer server(Echo());
  RawClient client(server.port());
  client.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client.Receive(), HasSubstr("Connection: close"));
}

TEST(HttpServerTest, HeadersWithLineBreaksAreNotSent) {
  TestServer server([](ServerRequest&) {
    ServerResponse response = Answer(200, "x");
    response.headers.Add("X-Name", "a\r\nSet-Cookie: evil");
    return response;
  });
  RawClient client(server.port());
  client.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = client.Receive();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(answer, testing::Not(HasSubstr("evil")));
}

TEST(HttpServerTest, ClosesIdleConnections) {
  TestServer server(Echo(), {.idle_timeout = std::chrono::milliseconds(50)});
  RawClient client(server.port());
  EXPECT_EQ(client.Receive(), "");
}

constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(HttpServerTest, TurnsAwayMoreThanMaxConnectionsWhereAllAreBusy) {
  std::atomic<int> arrived = 0;
  std::atomic<bool> release = false;
  TestServer server(
      [&](ServerRequest&) {
        ++arrived;
        while (!release) std::this_thread::yield();
        return Answer(200);
      },
      {.max_connections = 2});
  RawClient one(server.port());
  RawClient two(server.port());
  for (const RawClient* client : {&one, &two}) client->Send(kRequest);
  while (arrived < 2) std::this_thread::yield();
  RawClient three(server.port());
  EXPECT_THAT(three.Receive(), StartsWith("HTTP/1.1 503 "));
  release = true;
  EXPECT_THAT(one.Receive("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(two.Receive("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
  // Who is idle makes room; that they are idle now, the server's threads find out a moment after their last byte.
  for (std::string answer; !answer.starts_with("HTTP/1.1 200 ");) {
    RawClient four(server.port());
    four.Send(kRequest);
    answer = four.Receive("\r\n\r\n");
  }
}

// Trusts who asks for "/known…"; reads bodies.
TestServer::Handler Guarded() {
  return [](ServerRequest& request) {
    if (request.target.starts_with("/known")) request.Trust();
    return ReadAll(request) ? Answer(200, request.target) : Answer(400);
  };
}

TEST(HttpServerTest, StrangersWithHalfAHeadOrHalfABodyKeepNobodyOut) {
  // Nothing here ends by time.
  TestServer server(Guarded(),
                    {.idle_timeout = std::chrono::hours(1),
                     .head_timeout = std::chrono::hours(1),
                     .max_connections = 12,
                     .max_strangers = 4},
                    false);
  RawClient known(server.port());
  known.Send("GET /known HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(known.Receive("/known"), StartsWith("HTTP/1.1 200 "));
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (int i = 0; i < 100; ++i) {
    strangers.push_back(std::make_unique<RawClient>(server.port()));
    strangers.back()->Send(i % 2 == 0 ? "GET /known HT"
                                      : "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\ngrant");
    if (i % 10 != 9) continue;
    RawClient honest(server.port());
    honest.Send("GET /known HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(honest.Receive(), EndsWith("/known")) << i;
  }
  // All but the last four have been closed; the one that is known has not.
  for (size_t i = 0; i + 4 < strangers.size(); ++i) EXPECT_EQ(strangers[i]->Receive(), "") << i;
  known.Send("GET /known/again HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(known.Receive("/again"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServerTest, ABodyThatTricklesInFromAStrangerIsCutOff) {
  TestServer server(Guarded(), {.head_timeout = std::chrono::milliseconds(50), .stranger_bytes_per_s = 1 << 20}, false);
  RawClient stranger(server.port());
  stranger.Send("POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  std::atomic<bool> cut = false;
  std::jthread trickle([&] {
    while (!cut) {
      stranger.Send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_THAT(stranger.Receive(), StartsWith("HTTP/1.1 400 "));
  cut = true;
}

TEST(HttpServerTest, AHeadThatTricklesInIsCutOff) {
  TestServer server(Echo(), {.head_timeout = std::chrono::milliseconds(50)});
  RawClient client(server.port());
  std::atomic<bool> cut = false;
  std::jthread trickle([&] {
    client.Send("GET /");
    while (!cut) {
      client.Send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_EQ(client.Receive(), "");
  cut = true;
}

TEST(HttpServerTest, AnswersToStrangersShareABudget) {
  // More than a socket takes: the answer is held until the client reads it.
  std::promise<int> sent;  // of the second request
  std::atomic<int> requests = 0;
  TestServer server(
      [&](ServerRequest&) {
        ServerResponse response = Answer(200, std::string(32 << 20, 'x'));
        if (++requests == 2) response.on_sent = [&](int status, uint64_t) { sent.set_value(status); };
        return response;
      },
      {.head_timeout = std::chrono::hours(1), .max_stranger_bytes = 40 << 20}, false);
  RawClient slow(server.port());
  slow.Send(kRequest);
  EXPECT_THAT(slow.Receive("xxxx"), StartsWith("HTTP/1.1 200 "));
  RawClient other(server.port());
  other.Send(kRequest);
  EXPECT_THAT(other.Receive(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(sent.get_future().get(), 503);
}

TEST(HttpServerTest, StopLetsRequestsEnd) {
  std::atomic<bool> arrived = false;
  std::atomic<bool> release = false;
  TestServer server([&](ServerRequest&) {
    arrived = true;
    while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Answer(200, "done");
  });
  RawClient idle(server.port());
  RawClient busy(server.port());
  busy.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  while (!arrived) std::this_thread::yield();
  std::jthread stopping([&] { server.Stop(std::chrono::seconds(20)); });
  EXPECT_EQ(idle.Receive(), "");  // closed at once
  release = true;
  EXPECT_THAT(busy.Receive(), EndsWith("done"));
  stopping.join();
  EXPECT_FALSE(RawClient(server.port()).connected());
}

TEST(HttpServerTest, StopWithoutGraceEndsStuckClients) {
  TestServer server(Echo());
  RawClient slow(server.port());
  slow.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  server.Stop(std::chrono::milliseconds(20));
  slow.Receive();
}

TEST(HttpServerTest, SaysWhyItCannotListen) {
  TestServer server(Echo());
  const auto taken = StartHttpServer({.port = server.port()}, server);
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message(), HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  const auto no_key = StartHttpServer({.tls_certificate_file = "/nowhere.pem"}, server);
  ASSERT_FALSE(no_key);
  EXPECT_EQ(no_key.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace seamount::net
