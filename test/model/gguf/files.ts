/** GGUF files of the fixtures, by the folder that holds the same model for transformers. */
export const FILES = {
  gemma3: "gemma3.gguf",
  llama: "llama.gguf",
  llama_yarn: "llama_yarn.gguf",
  mistral_window: "mistral_window.gguf",
  qwen2: "qwen2-00001-of-00002.gguf",
  phi3: "phi3.gguf",
  phi3_window: "phi3_window.gguf",
} as const;
