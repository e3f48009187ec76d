# One source, one table of kernels for each instruction set; kernels_select.c chooses at run time.
# The user's CFLAGS come last, so an -O3 here would be undone by their -O2; the single flags are not.
KERNEL_CFLAGS = $(AM_CFLAGS) $(VECTOR_FLAGS) -fopenmp-simd -fno-math-errno -fno-trapping-math

KERNEL_INCLUDES = core/kernels/kernels.h core/kernels/kernels_math.h core/kernels/kernels_stored.h

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

libtessera_la_SOURCES += core/kernels/kernels.h core/kernels/kernels_select.c
