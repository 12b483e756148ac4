/**
 * What examples in docstrings may use without declaring it, with its type. Names that a block declares itself come first, then public
 * names, then this cast; any other name is an error. Paths start at the repository.
 */
export const exampleCast: ReadonlyMap<string, string> = new Map(
  Object.entries({
    // Machinery.
    device: "import('./src/platform/device.ts').Device",
    stepper: "import('./src/decode/stepper.ts').Stepper",
    tokenizer: "import('./src/base/model.ts').TextTokenizer",
    plan: "import('./src/base/model.ts').Plan",
    rng: "import('./src/base/rng.ts').Rng",
    output: "import('./src/decode/stepper.ts').Outputs",
    service: "import('./src/serve/service.ts').Service",
    imageModel: "import('./src/systems/image-model.ts').ImageModel",
    signal: 'AbortSignal',
    readFile: "typeof import('node:fs/promises').readFile",
    // Symbols of a traced program.
    x: "import('./src/tensor/tensor.ts').Tensor",
    y: "import('./src/tensor/tensor.ts').Tensor",
    hidden: "import('./src/tensor/tensor.ts').Tensor",
    loss: "import('./src/tensor/tensor.ts').Tensor",
    // Data.
    tokens: 'number[]',
    prompt: 'number[]',
    answer: 'number[]',
    logits: 'Float32Array',
    bytes: 'Uint8Array',
    modelBytes: 'Uint8Array',
    text: 'string',
    texts: 'string[]',
    stories: 'string[]',
    pieces: 'AsyncIterable<string>',
    pictures: "import('./src/base/pictures.ts').LabelledPictures",
    index: 'number',
    seed: 'number',
    promptLength: 'number',
  }),
)
