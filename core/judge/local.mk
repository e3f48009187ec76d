# The judge: what a plugin promises, as tests.
libtessera_la_SOURCES += core/judge/expectations.c core/judge/expectations.h core/judge/judge.c core/judge/judge.h \
    core/judge/judge_backend.c core/judge/judge_case.c core/judge/judge_component.c core/judge/judge_critic.c core/judge/judge_decoder.c \
    core/judge/judge_denoiser.c core/judge/judge_denoiser.h core/judge/judge_denoiser_next.c core/judge/judge_encoder.c \
    core/judge/judge_format.c core/judge/judge_gradients.c core/judge/judge_images.h core/judge/judge_metric.c core/judge/judge_metric.h \
    core/judge/judge_metric_rows.c core/judge/judge_metric_states.c core/judge/judge_noise.c core/judge/judge_noise.h core/judge/judge_noise_bound.c \
    core/judge/judge_noise_chance.c core/judge/judge_noise_steps.c core/judge/judge_params.c core/judge/judge_piece.c \
    core/judge/judge_piece_run.c core/judge/judge_private.h core/judge/judge_quantizer.c core/judge/judge_quantizer.h \
    core/judge/judge_quantizer_codes.c core/judge/judge_quantizer_rebuild.c core/judge/judge_quantizer_training.c \
    core/judge/judge_ranges.c core/judge/judge_recorded.c core/judge/judge_repeated.c core/judge/judge_sampler.c \
    core/judge/judge_sampler.h core/judge/judge_sampler_chance.c core/judge/judge_sampler_draw.c core/judge/judge_source.c \
    core/judge/judge_stage.c core/judge/judge_transport.c
