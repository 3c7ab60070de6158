export type InspectedKind =
  | 'onnx'
  | 'npy'
  /** A table with a header: labels, or vectors among its columns. */
  | 'labels'
  | 'table'
  | 'idx-images'
  | 'idx-labels'
  | 'image-folder'
  | 'image'
  | 'config'
  | 'safetensors'
  | 'tfjs'
  | 'npz'
  | 'parquet'
  | 'pytorch'
  | 'other';

/** What a file or folder is and whether an audit can use it. */
export interface Inspection {
  /** As given. */
  path: string;
  kind: InspectedKind;
  /** In words: "ONNX model". */
  format: string;
  /** Of the file; null for a folder. */
  bytes: number | null;
  /** Name and value pairs for people, in the order to show. */
  facts: { name: string; value: string }[];
  /** The length of its vectors, when the file says it. */
  dimension: number | null;
  /** Items or vectors in it. */
  count: number | null;
  classNames: string[] | null;
  audit: {
    possible: boolean;
    /** The part it can play: `checkpoint`, `vectors`, `labels`, `dataset`; null when none. */
    as: 'checkpoint' | 'vectors' | 'labels' | 'dataset' | 'config' | null;
    /** Why not, or what it still needs. */
    reason: string | null;
    remedy: string | null;
  };
  /** Whether the weights of a model can be trained; null for what is no model. */
  training: {
    possible: boolean;
    /** Why not, or what cannot. */
    reason: string | null;
    remedy: string | null;
  } | null;
  notes: string[];
}
