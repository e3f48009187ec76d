# Models against golden values, and by definition.
check_PROGRAMS += tests/models/test_autoregressive tests/models/test_critic tests/models/test_features tests/models/test_larger \
    tests/models/test_models tests/models/test_quantizers tests/models/test_unet tests/models/test_unet_layers
