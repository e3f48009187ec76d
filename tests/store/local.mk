# Artefacts and pictures on the disk.
check_PROGRAMS += tests/store/test_artefact_parts tests/store/test_chunks tests/store/test_contradictions tests/store/test_layout \
    tests/store/test_parts_damaged tests/store/test_pictures tests/store/test_store tests/store/test_store_faults
