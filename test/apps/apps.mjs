// Every tool that `npm run test:apps` builds the job page with, and every test runner and compiler that it runs. Also the
// programs of `demo/programs`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/process.mjs'
import { checkExamples, frameworks, writeExamples } from './examples.mjs'
import { checkPrograms, checkProgramsInDev } from './program-checks.mjs'

/**
 * How an app is tried. Commands are for a shell in the app's folder, and find the programs of its dependencies.
 *
 * @typedef {object} Run
 * @property {string} [command] runs to its end first
 * @property {string} [folder] then the page is in this folder, served as files
 * @property {string} [server] or this command serves it, on `$PORT`
 * @property {string} [extension] or it is the page of a browser extension in this folder
 * @property {(folder: string) => Promise<void>} [checkFolder] what must hold of the folder, instead of what must hold of the job page
 * @property {(origin: string) => Promise<void>} [checkServer] the same of what is served
 * @property {string} [route] an address of the app that runs a job on the server
 * @property {boolean} [isHot] an edit of what only workers import reaches the open page without a reload
 */

/**
 * @typedef {object} App
 * @property {string} title
 * @property {Record<string, string>} dependencies exact versions. There are no lock files: fourteen would be larger than the library
 * @property {string} [needs] what its user has to know, in Markdown: a line of its configuration, mostly
 * @property {boolean} [isFast] runs in CI as well
 * @property {readonly string[]} [files] the folders in `files` with what only some apps have, if it is not one named as the app
 * @property {string} [pageFolder] where the files of the page belong, if not at the top
 * @property {boolean} [hasNoPage] it has files of its own only
 * @property {(folder: string) => void} [write] writes more files into the folder
 * @property {boolean} [isOurs] it tries what we have written for users, and not a tool: it has no row in docs/guide/bundlers.md
 * @property {Record<string, Run>} runs `production` and `dev` have a column each in docs/guide/bundlers.md
 */

const second = 'The worker module is a second entry, `jobs.js`'

const nextDependencies = { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' }
const inVite = "Dev server: `vite: { optimizeDeps: { include: ['offstage', 'offstage/idb', 'offstage/worker'] } }`"
const inHot = 'Dev server: [a few lines](hmr.md) give the page new workers after an edit of theirs'
const onServer = 'On the server: the path of a worker module that Node can load, not the worker line'

/** A stranger has the newest of offstage, and the other packages in just these versions. */
const {
  dependencies: { offstage: _, ...dependencies },
  devDependencies,
} = JSON.parse(readFileSync(join(root, 'demo/programs/package.json'), 'utf8'))

/** @param {string} file @param {string} [project] */
const onOldest = (file, project = 'browser (chromium)') => ({
  command: `cd "$REPOSITORY" && OFFSTAGE_FRAMEWORKS="$APP" npx vitest run --project "${project}" ${file}`,
})

const workerIncluded =
  "Dev server: `optimizeDeps: { include: ['offstage/worker'] }`; otherwise the first job is cut short by a reload"
const viteRuns = {
  production: { command: 'vite build', folder: 'dist' },
  dev: { server: 'vite --host 127.0.0.1 --port $PORT --strictPort' },
}

/** @type {Record<string, App>} */
export const apps = {
  vite: {
    title: 'Vite',
    dependencies: { vite: '8.3.8' },
    needs: workerIncluded,
    isFast: true,
    runs: viteRuns,
  },
  vite7: { title: 'Vite 7', dependencies: { vite: '7.3.8' }, files: ['vite'], needs: workerIncluded, runs: viteRuns },
  vite6: { title: 'Vite 6', dependencies: { vite: '6.4.1' }, files: ['vite'], needs: workerIncluded, runs: viteRuns },
  vite5: { title: 'Vite 5', dependencies: { vite: '5.4.21' }, files: ['vite'], needs: workerIncluded, runs: viteRuns },
  'vite-es2020': {
    title: 'Vite, lowered to ES2020',
    dependencies: { vite: '8.3.8' },
    isFast: true,
    runs: { production: { command: 'vite build', folder: 'dist' } },
  },
  webpack: {
    title: 'webpack',
    files: ['webpack', 'webpack-hot'],
    needs: inHot,
    dependencies: { webpack: '5.113.0', 'webpack-cli': '7.3.1', 'webpack-dev-server': '5.2.7' },
    isFast: true,
    runs: {
      production: { command: 'webpack --mode production && cp index.html dist', folder: 'dist' },
      dev: { server: 'webpack serve --mode development --host localhost --port $PORT', isHot: true },
    },
  },
  rollup: {
    title: 'Rollup',
    dependencies: { rollup: '4.67.4', '@rollup/plugin-node-resolve': '16.0.3' },
    needs: second,
    isFast: true,
    runs: {
      production: {
        command: 'rollup main.js jobs.js --dir dist --plugin node-resolve && cp index.html dist',
        folder: 'dist',
      },
    },
  },
  esbuild: {
    title: 'esbuild',
    dependencies: { esbuild: '0.27.7' },
    needs: second,
    isFast: true,
    runs: {
      production: {
        command: 'esbuild main.js jobs.js --bundle --minify --format=esm --outdir=dist && cp index.html dist',
        folder: 'dist',
      },
      dev: {
        command: 'mkdir dist && cp index.html dist',
        server:
          'esbuild main.js jobs.js --bundle --format=esm --outdir=dist --servedir=dist --serve=127.0.0.1:$PORT --watch=forever',
      },
    },
  },
  'import-map': {
    title: 'No bundler: an import map',
    dependencies: {},
    needs: 'Workers get no import map: the worker module imports `offstage/worker` by its address',
    runs: { production: { folder: '.' } },
  },
  extension: {
    title: 'Extension page (Manifest V3), esbuild',
    dependencies: { esbuild: '0.27.7' },
    needs: second,
    runs: {
      production: {
        command: 'esbuild main.js jobs.js --bundle --format=esm --outdir=dist && cp index.html manifest.json dist',
        extension: 'dist',
      },
    },
  },
  rspack: {
    title: 'Rspack',
    files: ['rspack', 'webpack-hot'],
    needs: `${inHot}, and with \`lazyCompilation: false\``,
    dependencies: { '@rspack/core': '2.3.4', '@rspack/cli': '2.2.8', '@rspack/dev-server': '2.2.2' },
    runs: {
      production: { command: 'rspack build --mode production && cp index.html dist', folder: 'dist' },
      dev: { server: 'rspack serve --mode development --host localhost --port $PORT', isHot: true },
    },
  },
  parcel: {
    title: 'Parcel',
    dependencies: { parcel: '2.16.4' },
    runs: {
      production: { command: 'parcel build index.html --no-cache', folder: 'dist' },
      dev: { server: 'parcel serve index.html --host 127.0.0.1 --port $PORT' },
    },
  },
  next: {
    title: 'Next, Turbopack',
    files: ['next', 'webpack-hot'],
    dependencies: nextDependencies,
    needs: `${inHot}. ${onServer}`,
    isFast: true,
    runs: {
      production: { command: 'next build', server: 'next start --port $PORT', route: '/api/work' },
      dev: { server: 'next dev --port $PORT', route: '/api/work', isHot: true },
    },
  },
  'next-webpack': {
    title: 'Next, webpack',
    files: ['next', 'webpack-hot'],
    dependencies: nextDependencies,
    needs: `${inHot}. ${onServer}`,
    runs: {
      production: { command: 'next build --webpack', server: 'next start --port $PORT', route: '/api/work' },
      dev: { server: 'next dev --webpack --port $PORT', route: '/api/work', isHot: true },
    },
  },
  kit: {
    title: 'SvelteKit',
    dependencies: {
      '@sveltejs/kit': '2.70.4',
      '@sveltejs/vite-plugin-svelte': '6.2.4',
      svelte: '5.57.3',
      vite: '7.3.8',
    },
    pageFolder: 'src/lib/page',
    needs: `${inVite}. ${onServer}`,
    runs: {
      production: { command: 'vite build', server: 'vite preview --host 127.0.0.1 --port $PORT', route: '/api/work' },
      dev: { server: 'vite --host 127.0.0.1 --port $PORT --strictPort', route: '/api/work' },
    },
  },
  nuxt: {
    title: 'Nuxt',
    dependencies: { nuxt: '4.4.5' },
    pageFolder: 'app/page',
    needs: `${inVite}. ${onServer}`,
    runs: {
      production: { command: 'nuxt build', server: 'node .output/server/index.mjs', route: '/api/work' },
      dev: { server: 'nuxt dev --host 127.0.0.1 --port $PORT', route: '/api/work' },
    },
  },
  astro: {
    title: 'Astro',
    // It does not run on Node 20.
    dependencies: { astro: '7.3.5', node: '24.9.0' },
    pageFolder: 'src/page',
    needs: inVite,
    runs: {
      production: { command: 'astro build', folder: 'dist' },
      dev: { server: 'astro dev --host 127.0.0.1 --port $PORT' },
    },
  },
  angular: {
    title: 'Angular',
    dependencies: {
      '@angular/core': '21.2.26',
      '@angular/common': '21.2.26',
      '@angular/compiler': '21.2.26',
      '@angular/compiler-cli': '21.2.26',
      '@angular/platform-browser': '21.2.26',
      '@angular/build': '21.2.27',
      '@angular/cli': '21.2.27',
      rxjs: '7.8.2',
      tslib: '2.8.1',
      typescript: '5.9.3',
    },
    pageFolder: 'src/page',
    needs: 'The worker line in a `.ts` file, and `webWorkerTsConfig` in `angular.json`',
    runs: {
      production: { command: 'ng build', folder: 'dist' },
      dev: { server: 'ng serve --host 127.0.0.1 --port $PORT' },
    },
  },
  jest: {
    title: 'Jest',
    dependencies: { jest: '30.5.2', 'jest-environment-jsdom': '30.5.2', 'jest-fixed-jsdom': '0.0.11' },
    needs: '`inline(jobs)`',
    isFast: true,
    hasNoPage: true,
    runs: {
      node: { command: 'jest' },
      jsdom: { command: 'jest --env jsdom' },
      'jest-fixed-jsdom': { command: 'jest --env jest-fixed-jsdom' },
    },
  },
  vitest: {
    title: 'Vitest',
    dependencies: { vitest: '4.1.12', jsdom: '26.1.0', 'happy-dom': '20.14.6' },
    needs: '`inline(jobs)`, or the path of a worker module that Node can load',
    isFast: true,
    hasNoPage: true,
    runs: {
      forks: { command: 'vitest run --pool forks' },
      threads: { command: 'vitest run --pool threads' },
      vmThreads: { command: 'vitest run --pool vmThreads' },
      jsdom: { command: 'vitest run --environment jsdom' },
      'happy-dom': { command: 'vitest run --environment happy-dom' },
    },
  },
  adapters: {
    title: 'Adapters and `offstage/vite`, on the oldest versions that they allow',
    dependencies: {
      react: '18.0.0',
      'react-dom': '18.0.0',
      vue: '3.5.0',
      preact: '10.5.0',
      'solid-js': '1.8.0',
      svelte: '5.7.0',
      '@angular/core': '20.0.0',
      '@angular/common': '20.0.0',
      '@angular/compiler': '20.0.0',
      '@angular/platform-browser': '20.0.0',
      rxjs: '7.8.2',
      vite: '6.0.0',
    },
    hasNoPage: true,
    runs: {
      'React 18.0': onOldest('test/browser/react.test.ts'),
      'Vue 3.5': onOldest('test/browser/vue.test.ts'),
      'Preact 10.5': onOldest('test/browser/preact.test.ts'),
      'Solid 1.8': onOldest('test/browser/solid.test.ts'),
      'Svelte 5.7': onOldest('test/browser/svelte.test.ts'),
      'Angular 20.0': onOldest('test/browser/angular.test.ts'),
      // What it builds fails on the CommonJS module of the test in a worker; 6.4 does not.
      'Vite 6.0, dev server': onOldest('test/node/vite.test.ts -t "cold start|edit|new code|replaced"', 'node'),
    },
  },
  typescript: {
    title: 'TypeScript, `skipLibCheck: false`, without DOM',
    dependencies: { typescript: '5.9.3', '@types/node': '20.19.43' },
    isFast: true,
    hasNoPage: true,
    runs: {
      node10: { command: 'tsc --module esnext --moduleResolution node10' },
      node16: { command: 'tsc --module node16 --moduleResolution node16' },
      nodenext: { command: 'tsc --module nodenext --moduleResolution nodenext' },
      bundler: { command: 'tsc --module esnext --moduleResolution bundler' },
    },
  },
  programs: {
    title: 'The programs of demo/programs',
    dependencies: { ...dependencies, ...devDependencies },
    files: ['../../../demo/programs'],
    isFast: true,
    hasNoPage: true,
    isOurs: true,
    runs: {
      production: { command: 'npm run build', folder: 'dist', checkFolder: checkPrograms },
      dev: { server: 'vite --host 127.0.0.1 --port $PORT --strictPort', checkServer: checkProgramsInDev },
    },
  },
  examples: {
    title: 'The examples of docs/guide/frameworks.md',
    dependencies: {
      '@angular/common': '22.2.0',
      '@angular/compiler': '22.2.0',
      '@angular/compiler-cli': '22.2.0',
      '@angular/core': '22.2.0',
      '@angular/platform-browser': '22.2.0',
      '@sveltejs/vite-plugin-svelte': '7.3.1',
      '@types/react': '19.3.3',
      '@types/react-dom': '19.3.0',
      '@types/webpack-env': '1.18.8',
      '@vitejs/plugin-react': '6.3.0',
      '@vitejs/plugin-vue': '6.0.11',
      preact: '11.2.0',
      react: '19.3.1',
      'react-dom': '19.3.1',
      rxjs: '7.8.2',
      'solid-js': '1.9.20',
      svelte: '5.57.3',
      'svelte-check': '4.7.8',
      typescript: '6.0.3',
      vite: '8.3.8',
      'vite-plugin-solid': '2.11.14',
      vue: '3.5.45',
      'vue-tsc': '3.3.14',
    },
    write: writeExamples,
    isFast: true,
    hasNoPage: true,
    isOurs: true,
    runs: {
      production: {
        command: `vue-tsc && svelte-check && ngc -p . --noEmit && ${frameworks.map((name) => `vite build ${name}`).join(' && ')}`,
        folder: '.',
        checkFolder: checkExamples,
      },
    },
  },
}
