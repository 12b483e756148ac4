import { defineConfig } from 'vitest/config'

const withoutRuntime = 'test/null/**/*.test.ts'

export default defineConfig({
  test: {
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['test/setup.ts'],
    pool: 'forks',
    // Tests that load ONNX Runtime themselves send no reports to its maker either.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    projects: [
      // Modules have no state of their own, so that files can share them: loading them anew for each took most of the time.
      { extends: true, test: { name: 'null', include: [withoutRuntime], isolate: false } },
      // ONNX Runtime sessions in several worker threads of one process can abort it, so every test file has a process of its own.
      { extends: true, test: { name: 'runtime', include: ['test/**/*.test.ts'], exclude: [withoutRuntime] } },
    ],
  },
})
