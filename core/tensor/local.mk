# One source, one table of kernels for each instruction set; kernels_select.c chooses at run time.
# The user's CFLAGS come last, so an -O3 here would be undone by their -O2; the single flags are not.
KERNEL_CFLAGS = $(AM_CFLAGS) $(VECTOR_FLAGS) -fopenmp-simd -fno-math-errno -fno-trapping-math

KERNEL_INCLUDES = core/tensor/kernels.h core/tensor/kernels_math.h core/tensor/kernels_stored.h

noinst_LTLIBRARIES += libtessera_kernels_portable.la
libtessera_kernels_portable_la_SOURCES = core/tensor/kernels.c $(KERNEL_INCLUDES)
libtessera_kernels_portable_la_CPPFLAGS = $(AM_CPPFLAGS) -DTESSI_KERNELS_TABLE=tessi_kernels_portable -DTESSI_KERNELS_NAME=portable
libtessera_kernels_portable_la_CFLAGS = $(KERNEL_CFLAGS)
KERNEL_LIBS = libtessera_kernels_portable.la

if X86_64
noinst_LTLIBRARIES += libtessera_kernels_avx2.la libtessera_kernels_avx512.la
libtessera_kernels_avx2_la_SOURCES = core/tensor/kernels.c $(KERNEL_INCLUDES)
libtessera_kernels_avx2_la_CPPFLAGS = $(AM_CPPFLAGS) -DTESSI_KERNELS_TABLE=tessi_kernels_avx2 -DTESSI_KERNELS_NAME=avx2
libtessera_kernels_avx2_la_CFLAGS = $(KERNEL_CFLAGS) -mavx2 -mfma
libtessera_kernels_avx512_la_SOURCES = core/tensor/kernels.c $(KERNEL_INCLUDES)
libtessera_kernels_avx512_la_CPPFLAGS = $(AM_CPPFLAGS) -DTESSI_KERNELS_TABLE=tessi_kernels_avx512 -DTESSI_KERNELS_NAME=avx512
libtessera_kernels_avx512_la_CFLAGS = $(KERNEL_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
KERNEL_LIBS += libtessera_kernels_avx2.la libtessera_kernels_avx512.la
endif

libtessera_la_SOURCES += \
    core/tensor/kernels.h core/tensor/kernels_select.c \
    core/tensor/node.h core/tensor/graph.c core/tensor/graph_named.c core/tensor/storage.c core/tensor/differentiate.c \
    core/tensor/memory_plan.c core/tensor/probe.c core/tensor/graph_run.c core/tensor/graph_slice.h core/tensor/graph_slice.c \
    core/tensor/sum_tree.c core/tensor/gradient_sum.c \
    core/tensor/weight_store.h core/tensor/weights.c core/tensor/finite.c core/tensor/finite.h \
    core/tensor/walk.h core/tensor/walk.c core/tensor/window.h core/tensor/window.c \
    core/tensor/op_unary.c core/tensor/op_binary.c core/tensor/op_shape.c core/tensor/op_reduce.c core/tensor/dense.h core/tensor/dense.c \
    core/tensor/op_matmul.c core/tensor/op_conv.c core/tensor/op_group_norm.c core/tensor/op_layer_norm.c core/tensor/op_attention.c core/tensor/op_linear_attention.c core/tensor/op_codes.c \
    core/tensor/nearest.h core/tensor/nearest.c core/tensor/op_nearest.c core/tensor/neighbours.c core/tensor/op_gather.c \
    core/tensor/cache.h core/tensor/op_attention_cached.c core/tensor/op_loss.c \
    core/tensor/op_pool.c core/tensor/op_direction.c
