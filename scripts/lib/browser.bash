# shellcheck shell=bash
# A real browser for the page's tests and pictures: Chromium with fonts for Chinese, and Playwright, which drives it.
# Sourced by scripts/test and scripts/screenshots, after lib/broker-install.bash; target is where cargo builds.

# install_browser: what is missing of them. Sets browser_python, which knows Playwright, axe and pika.
install_browser() {
    local packages=() chromium=${CHROMIUM:-/usr/bin/chromium}
    [ -x "$chromium" ] || packages+=(chromium)
    # fc-list comes with Chromium.
    { has fc-list && [ -n "$(fc-list :lang=zh)" ]; } || packages+=(fonts-noto-cjk)
    { has fc-list && [ -n "$(fc-list 'Noto Sans')" ]; } || packages+=(fonts-noto-core)
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    if [ ${#packages[@]} -gt 0 ]; then
        has apt-get || fail 69 "${packages[*]} missing, and there is no apt-get; install them, and set CHROMIUM to the browser's path"
        say "installing ${packages[*]}; 'apt-get purge ${packages[*]}' takes them away again"
        { apt_get update && apt_get install --no-install-recommends "${packages[@]}"; } >"$target/browser-install.log" 2>&1 </dev/null || {
            show_log "$target/browser-install.log"
            fail 69 "apt-get couldn't install ${packages[*]}"
        }
    fi
    browser_python=$target/browser/bin/python
    # axe-playwright-python brings axe-core along.
    "$browser_python" -c 'import playwright, axe_playwright_python, pika' 2>/dev/null || {
        say "installing Playwright, axe and pika into $target/browser"
        { python3 -m venv "$target/browser" && "$target/browser/bin/pip" install 'playwright>=1.50,<2' 'axe-playwright-python>=0.1.7,<0.2' 'pika>=1.3,<2'; } \
            >"$target/browser-install.log" 2>&1 </dev/null || {
            show_log "$target/browser-install.log"
            fail 69 "pip couldn't install playwright, axe-playwright-python and pika"
        }
    }
}
