import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium } from 'playwright-core'

const executablePath = '/usr/bin/chromium'

/** Why tests in a browser cannot run here; undefined when they can. */
export const noBrowser = existsSync(executablePath) ? undefined : `${executablePath} is missing (Debian: apt-get install chromium)`

const quiet = [
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext
}

/** A browser with a profile of its own, which goes when it closes. */
export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'nextx-chromium-'))
  const args = ['--headless', '--no-sandbox', '--disable-gpu', ...quiet]
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args })
  return {
    context,
    async [Symbol.asyncDispose]() {
      await context.close()
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
