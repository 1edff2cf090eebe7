"""What tests stand on: servers, builders and the rules of the test run itself."""
