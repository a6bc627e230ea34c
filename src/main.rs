//! The binary: everything is in the library.

/// A delivery's task, like much of what lapin holds, is larger than what the C library hands out quickly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    chatbot_worker::cli::main()
}
