//! The binary: everything is in the library.

/// Messages are many small allocations, made on one thread and freed on another. Beside the C library's allocator, this one
/// takes less processor time a request, and an idle worker less memory. `.cargo/config.toml` configures it.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    chatbot_worker::cli::main()
}
