import type { Command } from 'commander'

export interface ExportFlags {
  readonly out: string
  readonly external?: boolean
}

export function registerExport(program: Command): void {
  program
    .command('export')
    .summary('write a model as ONNX')
    .description('Writes an ONNX file that plain ONNX Runtime runs: int32 ids [B, T] to float32 logits [B, T, vocabulary].')
    .argument('<model>', 'a model folder, or the name of a model that ships with nextx: stories260K')
    .requiredOption('-o, --out <file>', 'the file to write, ending with .onnx')
    .option('--external', 'keep the weights in a second file beside it, <file>.data: needed above 2 GiB')
    .addHelpText('after', examples)
    .action(async (model: string, flags: ExportFlags) => {
      const { exportAction } = await import('./actions/export.ts')
      await exportAction(model, flags)
    })
}

const examples = `
Examples:
  nextx export stories260K --out model.onnx
  nextx export my-model --out model.onnx --external`
