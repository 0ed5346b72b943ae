/** Variables that choose which programs run, or what those run: whoever sets one can make a harmless name mean anything. */
const CHOOSES = new RegExp(
  `^(?:${[
    'PATH|CDPATH|IFS|ENV|BASH_ENV|BASHOPTS|SHELLOPTS|SHELL|PS[0-4]|PROMPT_COMMAND|BASH_FUNC_.*|BASH_ALIASES|BASH_CMDS|EXECIGNORE|GLOBIGNORE|ZDOTDIR',
    'LD_.*|DYLD_.*|GCONV_PATH|GLIBC_TUNABLES|NLSPATH|LOCPATH|HOSTALIASES|TERMINFO|TERMCAP|HOME|XDG_.*',
    'NODE_OPTIONS|NODE_PATH|NODE_REPL_.*|PYTHON.*|PERL5.*|PERLLIB|RUBY(?:OPT|LIB)|GEM_.*|BUNDLE_.*|LUA_.*|PHPRC|PHP_INI_SCAN_DIR|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|JDK_.*|CLASSPATH|R_.*|JULIA_.*|DOTNET_.*|CORECLR_.*|DENO_.*|BUN_.*',
    'npm_config_.*|NPM_CONFIG_.*|YARN_.*|COREPACK_.*|PIP_.*|CARGO_.*|RUSTC.*|RUSTDOC.*|RUSTFLAGS|GOFLAGS|GOROOT|GOTOOLCHAIN|CC|CXX|LDFLAGS|CFLAGS|MAKEFLAGS|MAKEFILES|GNUMAKEFLAGS|CMAKE_.*',
    'GIT_.*|SSH_ASKPASS|SUDO_ASKPASS|.*PAGER|.*EDITOR|VISUAL|BROWSER|LESSOPEN|LESSCLOSE|LESS|MANOPT|RSYNC_RSH|CVS_RSH|SVN_SSH|TAR_OPTIONS|WGETRC|CURL_HOME|GREP_OPTIONS|FZF_.*|AWKPATH|AWKLIBPATH|DOCKER_HOST|KUBECONFIG',
  ].join('|')})$`,
)

/** Setting it may change what later commands mean. */
export function choosesPrograms(name: string): boolean {
  return CHOOSES.test(name)
}

/** A name of one stands in text that may be evaluated. */
export function namesChooser(text: string): boolean {
  return (text.match(/[A-Za-z_]\w*/g) ?? []).some(choosesPrograms)
}

/** Text that the shell runs something for when it evaluates it, as it does with subscripts in arithmetic. @param after only behind this */
export function substitutes(text: string, after = ''): boolean {
  const from = text.indexOf(after)
  return from >= 0 && (text.includes('$(', from) || text.includes('`', from))
}
