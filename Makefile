# One-line doors to Meson and the tools; CONTRIBUTING.md says when to use which.
BUILD := build
C_FILES = $(shell find include src tests tools -name "*.[ch]")

.PHONY: all check asan tsan tidy fmt docs

all:
	test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	ninja -C $(BUILD)

check:
	./test

asan:
	./test asan

tsan:
	./test tsan

tidy:
	./test build tidy

fmt:
	clang-format -i $(C_FILES)

docs:
	tools/make-docs
