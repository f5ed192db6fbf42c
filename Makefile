# One-line doors to Meson and the tools; CONTRIBUTING.md says when to use which.
BUILD := build
C_FILES = $(shell find include src tests tools -name "*.[ch]")
FUZZ_SECONDS := 60
FUZZ :=
FUZZ_BUILD := build-fuzz

.PHONY: all check asan tsan fuzz tidy fmt docs

all:
	test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	ninja -C $(BUILD)

check:
	./test

asan:
	./test asan

tsan:
	./test tsan

# FUZZ="url spec" runs only those, FUZZ_SECONDS=1800 is the usual half hour; tests/fuzz/run does the rest.
fuzz:
	tools/install-needs build fuzz
	tools/vendor-blake3
	test -f $(FUZZ_BUILD)/build.ninja || CC=clang meson setup $(FUZZ_BUILD) -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
	ninja -C $(FUZZ_BUILD) fuzzers
	tests/fuzz/run --build $(FUZZ_BUILD) --seconds $(FUZZ_SECONDS) $(FUZZ)

tidy:
	./test build tidy

fmt:
	clang-format -i $(C_FILES)

docs:
	tools/make-docs
