# Trunkline. `make help` lists what can be asked.
# One non-recursive make: every libs/X and services/X adds itself by its module.mk (see docs/building.md).

VARIANT  ?= release
B        := build/$(VARIANT)
GEN      := build/gen
CC       := gcc
AR       := gcc-ar

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wformat=2 -Wno-missing-field-initializers -Wno-format-zero-length
HARDEN   := -fstack-protector-strong -fPIE -fno-plt -fno-strict-aliasing
LDHARDEN := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
# What our archives define is not exported: a function of ours with the name of one in a shared library (tls_read of
# libs/bus and of Sofia) would otherwise take its place inside that library. clang's sanitizers need their exports.
ifneq ($(VARIANT),fuzz)
LDHARDEN += -Wl,--exclude-libs,ALL
endif
CPPBASE  := -D_GNU_SOURCE -Ilibs -Ibuild/gen -MMD -MP
ifeq ($(VARIANT),release)
OPT      := -O2 -g -D_FORTIFY_SOURCE=2
else ifeq ($(VARIANT),asan)
OPT      := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(VARIANT),tsan)
OPT      := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
C11THREADS := $(B)/obj/tools/sanitizers/c11threads.o # what ThreadSanitizer does not intercept
else ifeq ($(VARIANT),fuzz)
CC       := clang-14
AR       := ar
WARN     := -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-command-line-argument -Wno-unknown-warning-option
OPT      := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
$(error VARIANT is release, asan, tsan or fuzz, not '$(VARIANT)')
endif
CFLAGS   := -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(EXTRA_CFLAGS)
LDFLAGS  := $(OPT) $(LDHARDEN) -Wl,-rpath-link,/usr/lib/x86_64-linux-gnu

# What is compiled how: when it changes everything is compiled again (other changes of this file do not matter so much).
FLAGS_NOW = $(CC) $(CPPBASE) $(CFLAGS) $(sort $(foreach v,$(filter PKGCF_%,$(.VARIABLES)),$($(v))))
FLAGS    := $(B)/.flags

MODULES  := $(sort $(wildcard libs/*/module.mk services/*/module.mk tools/*/module.mk tests/*/module.mk))

.DEFAULT_GOAL := build
.PHONY: all
all: build

# ---- protobuf ---------------------------------------------------------------------------------------------------
PROTOS   := $(shell find proto -name '*.proto' 2>/dev/null)
PBC      := $(PROTOS:proto/%.proto=$(GEN)/%.pb-c.c)
WKT      := timestamp duration struct empty field_mask any wrappers
WKTC     := $(WKT:%=$(GEN)/google/protobuf/%.pb-c.c)
PBO      := $(PBC:$(GEN)/%.c=$(B)/gen/%.o) $(WKTC:$(GEN)/%.c=$(B)/gen/%.o)
PBSTAMP  := $(GEN)/.stamp

$(PBSTAMP): $(PROTOS)
	@mkdir -p $(GEN)
	@command -v protoc-c >/dev/null || { echo "protoc-c is missing: 'make deps' installs what building needs" >&2; exit 1; }
	@echo "  PROTOC  $(words $(PROTOS)) files"
	@protoc-c -Iproto -I/usr/include --c_out=$(GEN) $(PROTOS) $(WKT:%=/usr/include/google/protobuf/%.proto)
	@protoc -Iproto -I/usr/include --include_imports --descriptor_set_out=$(GEN)/trunkline.binpb $(PROTOS)
	@touch $@
$(PBC) $(WKTC): $(PBSTAMP) ;
$(B)/gen/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPBASE) -std=gnu17 $(OPT) -w $(HARDEN) -c $< -o $@
$(B)/lib/libproto.a: $(PBO)
	@mkdir -p $(@D)
	@echo "  AR      $@"
	@$(archive)

# ---- modules ----------------------------------------------------------------------------------------------------
# A module.mk calls exactly one of:
#   $(eval $(call library,NAME,DEPS,PKGS,LDLIBS))            libs/NAME  -> $(B)/lib/libNAME.a
#   $(eval $(call program,DIR,BINARY,DEPS,PKGS,LDLIBS))      DIR/*.c    -> $(B)/bin/BINARY (+ lib of all but main.c for tests)
# *_test.c  beside it: unit tests (cmocka, no environment);  *_itest.c: tests that start real components by themselves;
# *_fuzz.c: libFuzzer targets (VARIANT=fuzz); *_fixture.c: linked into every test of the directory.
# TESTDEPS_NAME (TESTDEPS_services/X of a program), set before the call: libraries that only its tests need.
LIBDEPS_proto   :=
PKGS_proto      := libprotobuf-c
LIBS_ALL        := proto
TESTS           :=
ITESTS          :=
FUZZERS         :=
FUZZOBJ         :=
BINS            :=

closure = $(if $(1),$(call uniq,$(1) $(call closure,$(sort $(foreach d,$(1),$(LIBDEPS_$(d)))))))
uniq    = $(if $(1),$(firstword $(1)) $(call uniq,$(filter-out $(firstword $(1)),$(1))))
# All archives between --start-group/--end-group, so their order does not matter.
linklibs  = -Wl,--start-group $(foreach d,$(1),$(B)/lib/lib$(d).a) -Wl,--end-group
pkglibs   = $(foreach d,$(1),$(foreach p,$(PKGS_$(d)),$(PKGLIBS_$(p)))) $(foreach d,$(1),$(LDLIBS_$(d))) -lpthread -lm

# Libraries without a usable pkg-config file are given by hand.
PKGLIBS_cmocka  := -lcmocka
PKGLIBS_lame    := -lmp3lame
PKGLIBS_spandsp := -lspandsp
PKGLIBS_srtp    := -lsrtp2
PKGLIBS_grpc    := -lgrpc -lgpr
PKGLIBS_libprotobuf-c := -lprotobuf-c
PKGLIBS_libpq   := -lpq
PKGCF_libpq     := -I/usr/include/postgresql
PKGLIBS_sofia   := -lsofia-sip-ua
PKGCF_sofia     := -isystem /usr/include/sofia-sip-1.12
PKGLIBS_rdkafka := -lrdkafka
PKGLIBS_microhttpd := -lmicrohttpd
PKGLIBS_yaml    := -lyaml
PKGLIBS_jansson := -ljansson
PKGLIBS_jwt     := -ljwt
PKGLIBS_crypto  := -lcrypto
PKGLIBS_ssl     := -lssl -lcrypto
PKGLIBS_sodium  := -lsodium
PKGLIBS_sndfile := -lsndfile
PKGLIBS_soxr    := -lsoxr
PKGLIBS_zip     := -lzip
PKGLIBS_expat   := -lexpat

pkgcf = $(foreach d,$(1),$(foreach p,$(PKGS_$(d)),$(PKGCF_$(p))))

ifneq ($(file <$(FLAGS)),$(strip $(FLAGS_NOW)))
$(shell mkdir -p $(B))
$(file >$(FLAGS),$(strip $(FLAGS_NOW)))
endif

# An archive is made anew when a source came, changed or went (the directory's time); under another name first, so that a
# make beside this one never sees half of it.
archive = rm -f $@.new; $(AR) rcs $@.new $(filter %.o,$^) && mv -f $@.new $@

# object rule for a directory: $(1) directory, $(2) closure of libs whose package flags it needs
define objrules
$(B)/obj/$(1)/%.o: $(1)/%.c $(PBSTAMP) $(FLAGS)
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	@$$(CC) $$(CPPBASE) $$(CFLAGS) -I$(1) $$(call pkgcf,$(2)) -c $$< -o $$@
endef

define testrules
$(B)/test/$(subst /,_,$(1))_%_test: $(B)/obj/$(1)/%_test.o $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)/*_fixture.c)) $(2)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$$(CC) $$(LDFLAGS) -Wl,-u,testkit_alloc_env $$(filter %.o,$$^) $$(call linklibs,$(3)) $$(call pkglibs,$(3)) -lcmocka -o $$@
$(B)/test/$(subst /,_,$(1))_%_itest: $(B)/obj/$(1)/%_itest.o $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)/*_fixture.c)) $(2)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$$(CC) $$(LDFLAGS) $$(filter %.o,$$^) $$(call linklibs,$(3)) $$(call pkglibs,$(3)) -lcmocka -o $$@
$(B)/test/$(subst /,_,$(1))_%_fuzz: $(B)/obj/$(1)/%_fuzz.o $(2)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$$(CC) $$(LDFLAGS) -fsanitize=fuzzer $$< $$(call linklibs,$(3)) $$(call pkglibs,$(3)) -o $$@
TESTS   += $(patsubst $(1)/%.c,$(B)/test/$(subst /,_,$(1))_%,$(wildcard $(1)/*_test.c))
ITESTS  += $(patsubst $(1)/%.c,$(B)/test/$(subst /,_,$(1))_%,$(wildcard $(1)/*_itest.c))
FUZZERS += $(patsubst $(1)/%.c,$(B)/test/$(subst /,_,$(1))_%,$(wildcard $(1)/*_fuzz.c))
FUZZOBJ += $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)/*_fuzz.c))
endef

define library
LIBS_ALL     += $(1)
LIBDEPS_$(1) := $(2)
PKGS_$(1)    := $(3)
LDLIBS_$(1)  := $(4)
LIBSRC_$(1)  := $(filter-out %_test.c %_itest.c %_fuzz.c %_fixture.c,$(wildcard libs/$(1)/*.c))
LATE         += $(1)
endef
define library_late
$(call objrules,libs/$(1),$(call closure,$(1)))
$(B)/lib/lib$(1).a: $(LIBSRC_$(1):libs/%.c=$(B)/obj/libs/%.o) libs/$(1)
	@mkdir -p $$(@D)
	@echo "  AR      $$@"
	@$$(archive)
$(call testrules,libs/$(1),$(foreach d,$(call closure,$(1) testkit $(TESTDEPS_$(1))),$(B)/lib/lib$(d).a),$(call closure,$(1) testkit $(TESTDEPS_$(1))))
endef

define program
PROGRAMS     += $(1)
BIN_$(1)     := $(2)
LIBDEPS_$(2) := $(3)
PKGS_$(2)    := $(4)
LDLIBS_$(2)  := $(5)
PSRC_$(1)    := $(filter-out %_test.c %_itest.c %_fuzz.c %_fixture.c,$(wildcard $(1)/*.c))
endef
define program_late
$(call objrules,$(1),$(call closure,$(BIN_$(1))))
BINS += $(if $(wildcard $(1)/main.c),$(B)/bin/$(BIN_$(1)))
$(B)/lib/lib$(BIN_$(1)).a: $(patsubst %.c,$(B)/obj/%.o,$(filter-out %/main.c,$(PSRC_$(1)))) $(1)
	@mkdir -p $$(@D)
	@$$(archive)
$(B)/bin/$(BIN_$(1)): $(B)/obj/$(1)/main.o $(C11THREADS) $(foreach d,$(call closure,$(BIN_$(1))),$(B)/lib/lib$(d).a)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$$(CC) $$(LDFLAGS) $$< $(C11THREADS) $$(call linklibs,$(call closure,$(BIN_$(1)))) $$(call pkglibs,$(call closure,$(BIN_$(1)))) -o $$@
$(call testrules,$(1),$(foreach d,$(call closure,$(BIN_$(1)) testkit $(TESTDEPS_$(1))),$(B)/lib/lib$(d).a),$(call closure,$(BIN_$(1)) testkit $(TESTDEPS_$(1))))
endef

ifdef C11THREADS
$(eval $(call objrules,tools/sanitizers,))
endif

include $(MODULES)
$(foreach l,$(LATE),$(eval $(call library_late,$(l))))
$(foreach p,$(PROGRAMS),$(eval $(call program_late,$(p))))

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:

# ---- what a person asks for -------------------------------------------------------------------------------------
include tools/targets.mk
