import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { globSync } from 'tinyglobby'
import { build } from 'tsdown'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Brings dist/ up to date before the first test: worker threads and the command line run from there. Only the JavaScript is built;
 * `npm run build` also writes the declarations.
 */
export default async function buildWhenStale(): Promise<void> {
  if (isFresh()) return
  const staging = `${root}node_modules/.cache/nextx/dist-${process.pid}`
  try {
    await build({ cwd: root, outDir: staging, dts: false, logLevel: 'warn' })
    replaceDist(staging)
  } catch (error) {
    // A half-written tree must not keep the tests that need no dist/ from running; in CI it must.
    if (process.env.CI || !existsSync(`${root}dist/index.js`)) throw error
    console.error('dist/ is OLDER than src/: the build failed, and tests that use dist/ see the last good one.\n', error)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** No source is newer than the oldest built file. Folders count as sources, so that a removed file is noticed. */
function isFresh(): boolean {
  const built = globSync('dist/**/*.js', { cwd: root, absolute: true }).map(modified)
  const sources = globSync(['src', 'src/**', 'tsdown.config.ts'], {
    cwd: root,
    absolute: true,
    onlyFiles: false,
    expandDirectories: false,
  })
  return built.length > 0 && Math.max(...sources.map(modified)) < Math.min(...built)
}

function modified(path: string): number {
  return statSync(path).mtimeMs
}

/** Two renames, so that another run never sees half a dist/. When another run was first, its build is as good as ours. */
function replaceDist(staging: string): void {
  const former = `${staging}-former`
  mkdirSync(`${root}dist`, { recursive: true })
  renameSync(`${root}dist`, former)
  try {
    renameSync(staging, `${root}dist`)
  } catch (error) {
    if (!existsSync(`${root}dist/index.js`)) throw error
  } finally {
    rmSync(former, { recursive: true, force: true })
  }
}
