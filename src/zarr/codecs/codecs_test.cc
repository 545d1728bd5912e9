#include <blosc.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "nd/data_type.h"
#include "zarr/codecs/blosc_frame.h"
#include "zarr/codecs/byte_codec.h"
#include "zarr/codecs/codec_chain.h"

namespace seamount::zarr {
namespace {

using Block = std::vector<std::byte>;

enum class Content { kSmooth, kNoise, kRamp, kConstant };
constexpr Content kContents[] = {Content::kSmooth, Content::kNoise, Content::kRamp, Content::kConstant};

// About `size` bytes of what fields, noise, counters and land masks look like.
Block MakeContent(Content content, size_t size, std::mt19937& random) {
  Block block(size);
  float value = 280;
  for (size_t i = 0; i + 4 <= size; i += 4) {
    uint32_t word = 0;
    value += std::uniform_real_distribution<float>(-0.1F, 0.1F)(random);
    if (content == Content::kSmooth) std::memcpy(&word, &value, 4);
    if (content == Content::kNoise) word = random();
    if (content == Content::kRamp) word = static_cast<uint32_t>(i / 4);
    if (content == Content::kConstant) word = 0x3f800000;
    std::memcpy(block.data() + i, &word, 4);
  }
  return block;
}

struct Seeded : testing::Test {
  unsigned seed = std::random_device{}();
  std::mt19937 random{seed};
  testing::ScopedTrace trace{__FILE__, __LINE__, testing::Message() << "seed " << seed};
};

using BloscTest = Seeded;

BloscOptions RandomOptions(std::mt19937& random) {
  BloscOptions options;
  options.compressor = kBloscCompressors[random() % std::size(kBloscCompressors)];
  options.level = static_cast<int>(random() % 8);  // the two highest take seconds
  options.shuffle = static_cast<BloscShuffle>(random() % 3);
  constexpr size_t kElements[] = {1, 2, 4, 8, 16, 3, 17};
  options.element_size = kElements[random() % std::size(kElements)];
  constexpr size_t kBlocks[] = {0, 0, 100, 4096, 100'000};
  options.block_size = kBlocks[random() % std::size(kBlocks)];
  return options;
}

std::string Describe(const BloscOptions& options, size_t size) {
  return options.compressor + " level " + std::to_string(options.level) + " shuffle " +
         std::to_string(static_cast<int>(options.shuffle)) + " element " + std::to_string(options.element_size) +
         " block " + std::to_string(options.block_size) + " of " + std::to_string(size);
}

TEST_F(BloscTest, TheLibraryDecodesOurFramesAndWeTheLibrarys) {
  for (int round = 0; round < 200; ++round) {
    const BloscOptions options = RandomOptions(random);
    const size_t size = random() % (round % 10 == 0 ? 700'000 : 20'000) + 1;
    const Block from = MakeContent(kContents[random() % 4], size, random);
    SCOPED_TRACE(Describe(options, size));
    const auto codec = MakeBloscCodec(options);

    Block ours(codec->EncodedBound(size));
    const auto ours_size = codec->Encode(from, ours);
    ASSERT_TRUE(ours_size) << ours_size.error().ToString();
    ours.resize(*ours_size);
    size_t valid = 0;
    ASSERT_EQ(blosc_cbuffer_validate(ours.data(), ours.size(), &valid), 0);
    ASSERT_EQ(valid, size);
    Block back(size);
    ASSERT_EQ(blosc_decompress_ctx(ours.data(), back.data(), size, 1), static_cast<int>(size));
    ASSERT_EQ(back, from);

    Block theirs(size + BLOSC_MAX_OVERHEAD);
    const int theirs_size =
        blosc_compress_ctx(options.level, static_cast<int>(options.shuffle), options.element_size, size, from.data(),
                           theirs.data(), theirs.size(), options.compressor.c_str(), options.block_size, 1);
    ASSERT_GT(theirs_size, 0);
    theirs.resize(static_cast<size_t>(theirs_size));
    for (const Block& frame : {ours, theirs}) {
      std::fill(back.begin(), back.end(), std::byte{0xee});
      const auto decoded = codec->Decode(frame, back);
      ASSERT_TRUE(decoded) << decoded.error().ToString();
      ASSERT_TRUE(std::ranges::equal(*decoded, from));
    }
  }
}

TEST_F(BloscTest, DamagedFramesNeverWriteOutsideAndTruncatedOnesAreDataLoss) {
  for (int round = 0; round < 200; ++round) {
    const BloscOptions options = RandomOptions(random);
    const Block from = MakeContent(kContents[random() % 4], random() % 20'000 + 1, random);
    const auto codec = MakeBloscCodec(options);
    Block frame(codec->EncodedBound(from.size()));
    frame.resize(*codec->Encode(from, frame));
    Block into(from.size());
    const auto truncated = codec->Decode(std::span(frame).first(random() % frame.size()), into);
    ASSERT_FALSE(truncated);
    EXPECT_EQ(truncated.error().code(), ErrorCode::kDataLoss);
    for (int flips = 0; flips < 20; ++flips) {
      Block damaged = frame;
      const size_t at = flips % 2 == 0 ? random() % damaged.size() : random() % std::min<size_t>(64, damaged.size());
      damaged[at] ^= static_cast<std::byte>(1U << (random() % 8));
      const auto decoded = codec->Decode(damaged, into);  // may pass unnoticed: the format has no checksum
      if (decoded) {
        EXPECT_LE(decoded->size(), into.size());
      }
    }
  }
}

TEST(BloscFrameTest, AHeaderThatSaysMoreThanFitsIsRefusedBeforeDecoding) {
  const auto codec = MakeBloscCodec({.compressor = "lz4"});
  const Block from(1000, std::byte{1});
  Block frame(codec->EncodedBound(from.size()));
  frame.resize(*codec->Encode(from, frame));
  Block into(999);
  const auto decoded = codec->Decode(frame, into);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().ToString(), "DataLoss: blosc frame: says it holds 1000 bytes (at most 999 expected)");
}

TEST(BloscFrameTest, NoiseIsStoredAndCostsTheHeaderOnly) {
  std::mt19937 random(1);
  const Block from = MakeContent(Content::kNoise, 1'000'000, random);
  for (const char* compressor : {"lz4", "zstd"}) {
    const auto codec = MakeBloscCodec({.compressor = compressor});
    Block frame(codec->EncodedBound(from.size()));
    EXPECT_EQ(*codec->Encode(from, frame), from.size() + kBloscHeaderBytes);
  }
}

struct ChainCase {
  const char* name;
  std::vector<CodecSpec> codecs;
};

const ChainCase kChains[] = {
    {"plain", {}},
    {"big_endian", {{"bytes", R"({"endian":"big"})"}}},
    {"transposed", {{"transpose", R"({"order":[2,0,1]})"}, {"bytes", R"({"endian":"little"})"}}},
    {"twice_transposed_big",
     {{"transpose", R"({"order":[2,0,1]})"}, {"transpose", R"({"order":[1,0,2]})"}, {"bytes", R"({"endian":"big"})"}}},
    {"gzip", {{"gzip", R"({"level":1})"}}},
    {"zlib", {{"numcodecs.zlib", R"({"level":1})"}}},
    {"zstd_checksum", {{"zstd", R"({"level":3,"checksum":true})"}}},
    {"lz4", {{"numcodecs.lz4", "{}"}}},
    {"shuffle_zstd", {{"numcodecs.shuffle", R"({"elementsize":4})"}, {"zstd", "{}"}}},
    {"checksums_everywhere", {{"crc32c", "{}"}, {"zstd", "{}"}, {"crc32c", "{}"}, {"gzip", "{}"}, {"crc32c", "{}"}}},
    {"views_between", {{"zstd", "{}"}, {"crc32c", "{}"}, {"crc32c", "{}"}, {"zstd", "{}"}, {"gzip", "{}"}}},
    {"bz2", {{"numcodecs.bz2", R"({"level":9})"}}},
    {"lzma", {{"numcodecs.lzma", R"({"format":1,"check":-1,"preset":1,"filters":null})"}}},
    {"lzma_alone", {{"numcodecs.lzma", R"({"format":2,"preset":0})"}}},
    {"lzma_raw", {{"numcodecs.lzma", R"({"format":3,"filters":[{"id":3,"dist":4},{"id":33,"preset":1}]})"}}},
    {"base64", {{"numcodecs.base64", "{}"}}},
    {"adler32_crc32c", {{"numcodecs.adler32", "{}"}, {"crc32c", "{}"}}},
    {"crc32", {{"numcodecs.crc32", R"({"location":"end"})"}, {"zstd", "{}"}, {"crc32c", "{}"}}},
    {"fletcher32_jenkins", {{"numcodecs.fletcher32", "{}"}, {"numcodecs.jenkins_lookup3", R"({"initval":7})"}}},
    {"delta_as_integers",
     {{"bytes", R"({"endian":"big"})"}, {"numcodecs.delta", R"({"dtype":">i4","astype":"<i8"})"}, {"gzip", "{}"}}},
    {"packed_bytes", {{"bytes", "{}"}, {"numcodecs.delta", R"({"dtype":"|u1"})"}, {"numcodecs.bz2", "{}"}}},
    {"snappy", {{"blosc", R"({"cname":"snappy","clevel":1,"shuffle":"shuffle","typesize":4,"blocksize":0})"}}},
    {"blosc_crc",
     {{"blosc", R"({"cname":"zstd","clevel":1,"shuffle":"shuffle","typesize":4,"blocksize":0})"}, {"crc32c", "{}"}}},
};

class CodecChainTest : public testing::TestWithParam<ChainCase> {};

TEST_P(CodecChainTest, RoundTripsAndNoticesDamage) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::vector<uint64_t> shape = {5, 7, 11};
  const auto chain =
      CodecChain::Make(GetParam().codecs, nd::DataType::kFloat32, shape, Bytes::Copy(std::string_view("\0\0\0\0", 4)));
  ASSERT_TRUE(chain) << chain.error().ToString();
  const bool checked = !GetParam().codecs.empty() && GetParam().codecs.back().name == "crc32c";
  for (const Content content : kContents) {
    const Block from = MakeContent(content, chain->decoded_bytes(), random);
    const auto encoded = chain->Encode(from);
    ASSERT_TRUE(encoded) << encoded.error().ToString();
    Block back(from.size());
    const auto decoded = chain->Decode(encoded->span(), back);
    ASSERT_TRUE(decoded) << decoded.error().ToString();
    EXPECT_EQ(back, from);
    for (int round = 0; round < 50; ++round) {
      const auto truncated = chain->Decode(encoded->Slice(0, random() % encoded->size()).span(), back);
      ASSERT_FALSE(truncated);
      EXPECT_EQ(truncated.error().code(), ErrorCode::kDataLoss);
      Block damaged(encoded->span().begin(), encoded->span().end());
      damaged[random() % damaged.size()] ^= static_cast<std::byte>(1U << (random() % 8));
      const auto flipped = chain->Decode(damaged, back);
      if (checked) {
        ASSERT_FALSE(flipped);
      }
      if (!flipped) {
        EXPECT_EQ(flipped.error().code(), ErrorCode::kDataLoss);
      }
    }
    Block longer(encoded->span().begin(), encoded->span().end());
    longer.push_back(std::byte{0});
    EXPECT_FALSE(chain->Decode(longer, back));
  }
}

INSTANTIATE_TEST_SUITE_P(Chains, CodecChainTest, testing::ValuesIn(kChains),
                         [](const auto& parameters) { return parameters.param.name; });

TEST(CodecChainTest, TransposesAsItsDefinitionSays) {
  const auto chain =
      CodecChain::Make({{"transpose", R"({"order":[1,0]})"}}, nd::DataType::kUInt8, {2, 3}, Bytes::Copy("f"));
  ASSERT_TRUE(chain);
  const Block from = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}, std::byte{6}};
  const auto encoded = chain->Encode(from);
  const Block expected = {std::byte{1}, std::byte{4}, std::byte{2}, std::byte{5}, std::byte{3}, std::byte{6}};
  EXPECT_TRUE(std::ranges::equal(encoded->span(), expected));
}

// A shard's chunks are encoded one behind the other, where there is room for the bounds of all.
TEST(CodecChain, TakesNoMoreThanItsBoundWhereverThereIsMoreRoom) {
  std::mt19937 random(5);
  for (const char* name : {"lz4", "lz4hc", "zstd", "zlib", "blosclz"}) {
    for (const char* shuffle : {"noshuffle", "shuffle", "bitshuffle"}) {
      for (const uint64_t count : {1, 3, 16, 40, 200, 1000}) {
        const std::string configuration = std::string(R"({"cname":")") + name + R"(","clevel":5,"shuffle":")" +
                                          shuffle + R"(","typesize":4,"blocksize":0})";
        const auto chain =
            CodecChain::Make({{"bytes", R"({"endian":"little"})"}, {"blosc", configuration}}, nd::DataType::kFloat32,
                             {count}, Bytes::Copy(std::string_view("\0\0\0\0", 4)));
        ASSERT_TRUE(chain) << chain.error().ToString();
        std::vector<std::byte> elements(4 * count);
        for (std::byte& byte : elements) byte = std::byte(random() & 0xff);
        std::vector<std::byte> room(chain->encoded_bound() * 8);
        const auto size = chain->EncodeInto(elements, room);
        ASSERT_TRUE(size) << size.error().ToString();
        EXPECT_LE(*size, chain->encoded_bound()) << name << " " << shuffle << " " << count;
        std::vector<std::byte> decoded(elements.size());
        ASSERT_TRUE(chain->Decode(std::span(room).first(*size), decoded));
        EXPECT_EQ(decoded, elements);
      }
    }
  }
}

TEST(CodecChainTest, RefusesWhatItCannotDo) {
  const auto message = [](std::vector<CodecSpec> codecs) {
    const auto chain =
        CodecChain::Make(codecs, nd::DataType::kFloat32, {4}, Bytes::Copy(std::string_view("\0\0\0\0", 4)));
    return chain ? "" : chain.error().ToString();
  };
  EXPECT_THAT(message({{"pcodec", "{}"}}), testing::HasSubstr("codec \"pcodec\" is not supported"));
  EXPECT_THAT(message({{"zstd", "{}"}, {"bytes", R"({"endian":"little"})"}}), testing::HasSubstr("after \"bytes\""));
  EXPECT_THAT(message({{"bytes", R"({"endian":"middle"})"}}), testing::HasSubstr("\"endian\" is \"middle\""));
  EXPECT_THAT(message({{"zstd", R"({"level":18446744073709551615})"}}), testing::HasSubstr("\"level\""));
  EXPECT_THAT(message({{"transpose", R"({"order":[0,0]})"}}), testing::HasSubstr("permutation"));
  EXPECT_THAT(message({{"blosc", R"({"cname":"lzo"})"}}), testing::HasSubstr("snappy"));
  EXPECT_THAT(message({{"numcodecs.pickle", "{}"}}), testing::HasSubstr("unpickling"));
  EXPECT_FALSE(CodecChain::Make({}, nd::DataType::kFloat32, {0}, {}));
  EXPECT_FALSE(CodecChain::Make({}, nd::DataType::kFloat32, {uint64_t{1} << 62, uint64_t{1} << 62}, {}));
}

// Other libraries' writers may say what ours cannot do; it does not matter for reading.
TEST(CodecChain, ParametersOfEncodersDoNotKeepChunksFromBeingRead) {
  const std::vector<CodecSpec> bytes = {{"bytes", "{}"}};  // little endian, as zarr-python takes it
  std::vector<float> values = {1, 2, 3, 4};
  for (const auto& [name, mild, wild] : std::vector<std::array<const char*, 3>>{
           {"numcodecs.lz4", R"({"acceleration":1})", R"({"acceleration":1000000})"},
           {"zstd", R"({"level":3})", R"({"level":100})"},
           {"gzip", R"({"level":6})", R"({"level":12})"},
           {"numcodecs.shuffle", R"({"elementsize":1})", R"({"elementsize":0})"}}) {
    const auto writer = CodecChain::Make({bytes[0], {name, mild}}, nd::DataType::kFloat32, {4}, {});
    const auto reader = CodecChain::Make({bytes[0], {name, wild}}, nd::DataType::kFloat32, {4}, {});
    ASSERT_TRUE(writer && reader) << name << (reader ? "" : reader.error().message());
    const auto encoded = writer->Encode(std::as_bytes(std::span(values)));
    std::vector<float> back(4);
    ASSERT_TRUE(encoded && reader->Decode(encoded->span(), std::as_writable_bytes(std::span(back)))) << name;
    EXPECT_EQ(back, values) << name;
  }
}

}  // namespace
}  // namespace seamount::zarr
