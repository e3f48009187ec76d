# One source, one table of kernels for each instruction set; kernels_select.c chooses at run time.
# Products are fused into the sums behind them here and nowhere else.
KERNEL_CFLAGS = $(AM_CFLAGS) $(VECTOR_FLAGS) -ffp-contract=fast -fopenmp-simd -fno-math-errno -fno-trapping-math

# Which products are fused, and in which order a row is summed, is the optimiser's: at another level the same key would have other bits. The
# user's CFLAGS come last, and this behind them: with a processor of the user's (-march=native) the portable loops would fuse products, too.
KERNEL_LEVEL = -O2
if X86_64
KERNEL_LEVEL += -march=x86-64 -mtune=generic
endif
%_la-kernels.lo: override CFLAGS += $(KERNEL_LEVEL)

KERNEL_INCLUDES = core/kernels/kernels.h core/kernels/kernels_lookup.h core/kernels/kernels_math.h \
	core/kernels/kernels_stored.h

noinst_LTLIBRARIES += libtessera_kernels_portable.la
libtessera_kernels_portable_la_SOURCES = core/kernels/kernels.c $(KERNEL_INCLUDES)
libtessera_kernels_portable_la_CPPFLAGS = $(AM_CPPFLAGS) -DTESSI_KERNELS_TABLE=tessi_kernels_portable -DTESSI_KERNELS_NAME=portable
libtessera_kernels_portable_la_CFLAGS = $(KERNEL_CFLAGS)
KERNEL_LIBS = libtessera_kernels_portable.la

if X86_64
noinst_LTLIBRARIES += libtessera_kernels_avx2.la libtessera_kernels_avx512.la
libtessera_kernels_avx2_la_SOURCES = core/kernels/kernels.c $(KERNEL_INCLUDES)
libtessera_kernels_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DTESSI_KERNELS_TABLE=tessi_kernels_avx2 -DTESSI_KERNELS_NAME=avx2
libtessera_kernels_avx2_la_CFLAGS = $(KERNEL_CFLAGS) -mavx2 -mfma
libtessera_kernels_avx512_la_SOURCES = core/kernels/kernels.c $(KERNEL_INCLUDES)
libtessera_kernels_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DTESSI_KERNELS_TABLE=tessi_kernels_avx512 -DTESSI_KERNELS_NAME=avx512
libtessera_kernels_avx512_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
KERNEL_LIBS += libtessera_kernels_avx2.la libtessera_kernels_avx512.la
endif

libtessera_la_SOURCES += core/kernels/kernels.h core/kernels/kernels_select.c core/kernels/kernels_table.c
