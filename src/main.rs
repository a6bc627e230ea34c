//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    chatbot_worker::cli::main()
}
