import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const shippedModel = fileURLToPath(new URL('../../../data/stories260K', import.meta.url))

/** A folder for a test file's own files; removed by `remove`. */
export class Workspace {
  readonly path = mkdtempSync(join(tmpdir(), 'nextx-cli-'))

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name)
    writeFileSync(path, content)
    return path
  }

  folder(name: string): string {
    const path = join(this.path, name)
    mkdirSync(path)
    return path
  }

  /** A copy of the shipped model, with other values in its configuration, or other weights. */
  modelWith(name: string, config: Readonly<Record<string, unknown>> = {}, weights?: Uint8Array): string {
    const folder = this.folder(name)
    for (const file of ['model.safetensors', 'tok512.json', 'config.json']) cpSync(join(shippedModel, file), join(folder, file))
    const original = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...original, ...config }))
    if (weights !== undefined) writeFileSync(join(folder, 'model.safetensors'), weights)
    return folder
  }

  remove(): void {
    rmSync(this.path, { recursive: true })
  }
}
