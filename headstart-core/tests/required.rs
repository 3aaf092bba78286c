//! What a forgetful user is told.

#[test]
fn a_handler_without_authorize_or_run_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/required/*.rs");
}
