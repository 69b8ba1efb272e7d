// Empty: hydralora_test_headers compiles what stands before it.
