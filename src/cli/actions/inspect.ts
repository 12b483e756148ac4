import type { InspectFlags } from '../inspect.ts'
import { modelPath } from '../model.ts'
import { writeJson, writeLines } from '../terminal.ts'
import { type Inspection, inspectionPage } from './inspection.ts'
import { readImageInspection, readModelInspection, readOnnxInspection, readSafetensorsInspection } from './read-inspection.ts'

/** `nextx inspect`. */
export async function inspectAction(model: string, { all = false, json = false }: InspectFlags): Promise<void> {
  const inspection = await inspect(model)
  if (json) writeJson(inspection)
  else writeLines(inspectionPage(inspection, all))
}

async function inspect(model: string): Promise<Inspection> {
  if (model.endsWith('.safetensors')) return readSafetensorsInspection(model)
  if (model.endsWith('.onnx')) return readOnnxInspection(model)
  const path = await modelPath(model)
  return (await readImageInspection(path)) ?? readModelInspection(path)
}
