import { defineConfig } from 'tsdown'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/*/index.ts',
    'src/cli/main.ts',
    'src/grammars/grammar-worker.ts',
    'src/platform/ort-worker.ts',
    'src/platform/web-*.ts',
    'src/systems/**/*.ts',
  ],
  root: 'src',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  unbundle: true,
  dts: true,
  deps: { skipNodeModulesBundle: true },
  fixedExtension: false,
  hash: false,
  report: false,
  failOnWarn: true,
})
