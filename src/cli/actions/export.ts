import { regularFileSize } from '../../platform/files.ts'
import { exportModel } from '../../systems/export-text.ts'
import type { ExportFlags } from '../export.ts'
import { byteSize } from '../format.ts'
import { withModel } from '../model.ts'
import { note, oneLine } from '../terminal.ts'

/** `nextx export`. */
export async function exportAction(name: string, { out, external = false }: ExportFlags): Promise<void> {
  await withModel(name, {}, (model) => exportModel(model, out, { external }))
  const files = external ? [out, `${out}.data`] : [out]
  for (const file of files) note(`wrote ${oneLine(file)}, ${byteSize(await regularFileSize(file))}`)
}
