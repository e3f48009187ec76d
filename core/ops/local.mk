# The operations, a file a family, and the door to the backend.
libtessera_la_SOURCES += core/ops/backend_gemm.c core/ops/backend_gemm.h core/ops/integer.h core/ops/norms.h core/ops/op_attention.c \
    core/ops/op_attention_cached.c core/ops/op_binary.c core/ops/op_codes.c core/ops/op_compare.c core/ops/op_conv.c \
    core/ops/op_direction.c core/ops/op_divide.c core/ops/op_gather.c core/ops/op_group_norm.c core/ops/op_integer.c \
    core/ops/op_layer_norm.c core/ops/op_linear_attention.c core/ops/op_loss.c core/ops/op_matmul.c core/ops/op_nearest.c \
    core/ops/op_permute.c core/ops/op_pool.c core/ops/op_progress.c core/ops/op_reduce.c core/ops/op_round.c core/ops/op_shape.c \
    core/ops/op_unary.c
