import { playwright } from '@vitest/browser-playwright'
import { defineConfig } from 'vitest/config'
import type { Reporter, TestCase } from 'vitest/node'
import { browserNames, browserPath, isInstalled } from './test/support/browsers.mjs'
import { builtAliases } from './test/support/built.mjs'
import { frameworkPlugins } from './test/support/frameworks.mjs'
import { startMsMax, webkitgtk } from './test/support/webkitgtk-provider.ts'

// No browser of the system phones home or needs a GPU in a test.
const chromiumArgs = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const providers = {
  // Debian's Chromium refuses its sandbox to root, and containers mostly have no other user.
  chromium: playwright({
    launchOptions: { executablePath: browserPath('chromium'), chromiumSandbox: false, args: chromiumArgs },
  }),
  // Debian's Firefox is not patched for Playwright; this channel drives it over WebDriver BiDi.
  firefox: playwright({ launchOptions: { channel: 'moz-firefox', executablePath: browserPath('firefox') } }),
  webkitgtk: webkitgtk(),
}

const isOtherRuntime = 'Bun' in globalThis || 'Deno' in globalThis

const reportFile = process.env.OFFSTAGE_TEST_REPORT

/**
 * What `npm test` runs in a browser: what is there only in browsers, and the suites whose outcome depends most on the platform.
 * The other suites it runs on Node alone.
 */
const quickInBrowser = ['test/browser/**/*.test.ts', 'test/suite/{blobs,kept-values,lifecycle,stores,streams}.test.ts']

/** What has passed, but not at the first try. */
const retried: TestCase[] = []

/** What CI prints once more at its end: why a run failed in which no test did, and what Vitest's own reporter passes over. */
const nameWhatElse: Reporter = {
  onTestCaseResult(testCase) {
    if (testCase.diagnostic()?.flaky) retried.push(testCase)
  },
  onTestRunEnd(_modules, errors, reason) {
    for (const testCase of retried) {
      console.log(`!!! NOT AT THE FIRST TRY: ${testCase.project.name}: ${testCase.fullName}`)
      for (const { message, stacks } of testCase.result().errors ?? [])
        console.log(`!!!   ${message} (${stacks?.[0]?.file}:${stacks?.[0]?.line})`)
    }
    if (retried.length > 0) console.log(`!!! Passed, but not at the first try: ${retried.length}`)
    for (const { type, message, stack } of errors) console.log(`!!! OUTSIDE OF ALL TESTS: ${type}: ${message} ${stack}`)
    if (reason !== 'passed') console.log(`!!! THE RUN ${reason.toUpperCase()}`)
  },
}

export default defineConfig({
  // `offstage` and its subpaths are the sources; one table says so to the editor, tsc, Vitest and the fixture build.
  resolve: { tsconfigPaths: true, alias: builtAliases },
  // Node 20 and WebKit do not know `await using`.
  oxc: { target: 'es2022' },
  // Cross-origin isolation gives the pages SharedArrayBuffer and exact clocks.
  server: {
    headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
  },
  // Otherwise Vite finds them when the first test asks, and reloads the page in mid-run.
  optimizeDeps: {
    include: ['p-queue', 'eventemitter3', 'fast-check', 'idb-keyval', 'croner'],
    // The frameworks are found in the tests of their adapters.
    entries: ['test/browser/*.test.ts', 'test/support/*.svelte'],
  },
  test: {
    // Real threads and three browsers share two cores in CI; a wait that is wrong never ends anyway.
    testTimeout: 20_000,
    // None on Node: a test that needs another try there is a fault. On Bun and Deno timers and threads come late on a busy
    // machine; a test that needs another try is named at the end, with the reason.
    retry: process.env.CI && isOtherRuntime ? 1 : 0,
    // Taken from here for all projects.
    browser: { connectTimeout: startMsMax },
    globalSetup: './test/support/build-workers.ts',
    reporters: [
      'default',
      nameWhatElse,
      ...(reportFile ? [['json', { outputFile: reportFile }] as const] : []),
    ] as never,
    projects: [
      ...['unit', 'suite', 'node'].map((name) => ({
        extends: true as const,
        plugins: name === 'node' ? frameworkPlugins() : [],
        // The files of a worker share their modules: to load these for each file takes as long as half of the tests.
        test: { name, include: [`test/${name}/**/*.test.ts`], isolate: name === 'node' || isOtherRuntime },
      })),
      {
        extends: true,
        plugins: frameworkPlugins(),
        test: {
          name: 'browser',
          include: process.env.OFFSTAGE_TEST_QUICK
            ? quickInBrowser
            : ['test/suite/**/*.test.ts', 'test/browser/**/*.test.ts'],
          // Browsers and their drivers lose a worker or a message now and then.
          retry: process.env.CI ? 2 : 0,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: browserNames.filter(isInstalled).map((name) => ({ browser: name, provider: providers[name] })),
          },
        },
      },
    ],
  },
})
