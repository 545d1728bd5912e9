// TLS between our client and our server, with a certificate made by this run.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "net/http_client.h"
#include "net/test_server.h"

namespace seamount::net {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// A certificate for 127.0.0.1 that signs itself.
void WriteCertificate(const std::string& certificate_file, const std::string& key_file) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_RSA_gen(2048), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_EXTENSION* host = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(certificate.get(), host, -1);
  X509_EXTENSION_free(host);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  PEM_write_X509(File(std::fopen(certificate_file.c_str(), "w"), std::fclose).get(), certificate.get());
  PEM_write_PrivateKey(File(std::fopen(key_file.c_str(), "w"), std::fclose).get(), key.get(), nullptr, nullptr, 0,
                       nullptr, nullptr);
}

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "tls_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
    WriteCertificate(certificate(), key());
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }
  std::string certificate() const { return folder_ / "certificate.pem"; }
  std::string key() const { return folder_ / "key.pem"; }
  HttpServerOptions options() const { return {.tls_certificate_file = certificate(), .tls_key_file = key()}; }

  std::filesystem::path folder_;
};

TEST_F(TlsTest, BodiesAndFilesPass) {
  const std::string content(3'000'000, 'c');
  std::ofstream(folder_ / "file") << content;
  TestServer server(
      [&](ServerRequest& request) {
        if (request.method == "PUT") return Answer(200, ReadAll(request).value());
        ServerResponse response;
        response.file = BodyOfFile(open((folder_ / "file").c_str(), O_RDONLY | O_CLOEXEC), 0, content.size());
        return response;
      },
      options());
  const auto client = MakeCurlHttpClient({.ca_file = certificate()});
  const RequestBody body{.size = content.size(),
                         .read_at = [&](uint64_t offset, std::span<std::byte> into) -> Result<void> {
                           std::memcpy(into.data(), content.data() + offset, into.size());
                           return {};
                         }};
  for (int i = 0; i < 2; ++i) {
    const auto put = client->Send({.method = "PUT", .url = server.url("/", "https"), .body = body}, {});
    ASSERT_TRUE(put) << put.error().ToString();
    EXPECT_TRUE(put->body.view() == content);
    const auto got = client->Send({.url = server.url("/", "https")}, {});
    ASSERT_TRUE(got) << got.error().ToString();
    EXPECT_TRUE(got->body.view() == content);
  }
}

TEST_F(TlsTest, StrangersAreNotTrusted) {
  TestServer server([](ServerRequest&) { return Answer(200); }, options());
  const auto stranger = MakeCurlHttpClient()->Send({.url = server.url("/", "https")}, {});
  ASSERT_FALSE(stranger);
  EXPECT_EQ(stranger.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(stranger.error().message().find("SEAMOUNT_CA"), std::string::npos) << stranger.error().ToString();
  const std::string other_name = "https://localhost:" + std::to_string(server.port()) + "/";
  const auto other = MakeCurlHttpClient({.ca_file = certificate()})->Send({.url = other_name}, {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kPermissionDenied);
}

TEST_F(TlsTest, TheEnvironmentNamesWhoIsTrustedAndNobodyElseIs) {
  TestServer server([](ServerRequest&) { return Answer(200); }, options());
  std::filesystem::create_directory(folder_ / "other");
  WriteCertificate(folder_ / "other" / "certificate.pem", folder_ / "other" / "key.pem");
  const auto code = [&](const std::string& ca, const std::string& ssl) {
    setenv("SEAMOUNT_CA", ca.c_str(), 1);
    setenv("SSL_CERT_FILE", ssl.c_str(), 1);
    const auto answer = MakeCurlHttpClient()->Send({.url = server.url("/", "https")}, {});
    unsetenv("SEAMOUNT_CA");
    unsetenv("SSL_CERT_FILE");
    return answer ? std::optional<ErrorCode>() : answer.error().code();
  };
  EXPECT_EQ(code(certificate(), folder_ / "absent.pem"), std::nullopt);
  EXPECT_EQ(code(folder_ / "other" / "certificate.pem", certificate()), ErrorCode::kPermissionDenied);
  EXPECT_EQ(code(folder_ / "absent.pem", certificate()), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("", certificate()), std::nullopt);
}

TEST_F(TlsTest, PlainTextOnATlsPortDoesNotStopTheServer) {
  TestServer server([](ServerRequest&) { return Answer(200, "fine"); }, options());
  RawClient plain(server.port());
  plain.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(plain.Receive().find("begin the address with https://"), std::string::npos);
  const auto client = MakeCurlHttpClient({.ca_file = certificate()});
  EXPECT_EQ(client->Send({.url = server.url()}, {})->status, 400);
  EXPECT_EQ(client->Send({.url = server.url("/", "https")}, {})->body.view(), "fine");
}

TEST_F(TlsTest, TlsToAPlainPortSaysSo) {
  TestServer server([](ServerRequest&) { return Answer(200); });
  const auto answer = MakeCurlHttpClient()->Send({.url = server.url("/", "https")}, {});
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message().find("http://"), std::string::npos) << answer.error().ToString();
}

TEST_F(TlsTest, ACaFileThatHoldsNoneIsNamed) {
  TestServer server([](ServerRequest&) { return Answer(200); }, options());
  std::ofstream(folder_ / "empty.pem") << "nothing";
  for (const char* name : {"empty.pem", "absent.pem"}) {
    const auto answer = MakeCurlHttpClient({.ca_file = folder_ / name})->Send({.url = server.url("/", "https")}, {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(answer.error().message().find(name), std::string::npos);
  }
}

TEST_F(TlsTest, AClientThatLeavesEarlyDoesNotStopTheServer) {
  // Written to after it has gone: a SIGPIPE here would end this program.
  TestServer server([](ServerRequest&) { return Answer(200, std::string(20 << 20, 'x')); }, options());
  const auto client = MakeCurlHttpClient({.ca_file = certificate()});
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(client->Send({.url = server.url("/", "https"), .max_response_bytes = 1000}, {}));
  }
  EXPECT_TRUE(client->Send({.url = server.url("/", "https")}, {}));
}

TEST_F(TlsTest, BadFilesAreNamed) {
  std::ofstream(folder_ / "rubbish") << "rubbish";
  TestServer handler([](ServerRequest&) { return Answer(200); });
  for (const bool of_key : {true, false}) {
    HttpServerOptions bad = options();
    (of_key ? bad.tls_key_file : bad.tls_certificate_file) = folder_ / "rubbish";
    const auto server = StartHttpServer(bad, handler);
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(server.error().message().find("rubbish"), std::string::npos);
  }
}

}  // namespace
}  // namespace seamount::net
