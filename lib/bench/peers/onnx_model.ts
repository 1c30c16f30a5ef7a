/**
 * ONNX models of one operation, as the protobuf bytes of `onnx.proto`. A field is `number << 3 | kind`, then a varint
 * (kind 0) or a length and that many bytes (kind 2).
 */

/** Types of elements, as `TensorProto.DataType` numbers them. */
export const ELEMENT = { f32: 1, int32: 6, f16: 10 } as const;

/** A tensor that goes in or comes out. */
export interface ModelValue {
  /** Its name. */
  readonly name: string;
  /** Type of its elements. */
  readonly type: keyof typeof ELEMENT;
  /** Its shape. */
  readonly shape: readonly number[];
}

/** A model with one node of the domain `com.microsoft`. */
export interface OneNodeModel {
  /** Operation of the node. */
  readonly operation: string;
  /** Its integer attributes. */
  readonly attributes: Readonly<Record<string, number>>;
  /** Inputs in the order of the operation. */
  readonly inputs: readonly ModelValue[];
  /** Outputs in the order of the operation. */
  readonly outputs: readonly ModelValue[];
}

const DOMAIN = "com.microsoft";
const IR_VERSION = 8;
const ONNX_VERSION = 17;
const INT_ATTRIBUTE = 2;

/** Bytes of a `ModelProto`. */
export function encodeModel(model: OneNodeModel): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...number(1, IR_VERSION),
    ...message(7, graph(model)),
    ...message(8, [...text(1, ""), ...number(2, ONNX_VERSION)]),
    ...message(8, [...text(1, DOMAIN), ...number(2, 1)]),
  ]);
}

function graph({ operation, attributes, inputs, outputs }: OneNodeModel): number[] {
  const node = [
    ...inputs.flatMap(({ name }) => text(1, name)),
    ...outputs.flatMap(({ name }) => text(2, name)),
    ...text(4, operation),
    ...Object.entries(attributes).flatMap((entry) => message(5, attribute(...entry))),
    ...text(7, DOMAIN),
  ];
  return [
    ...message(1, node),
    ...text(2, operation),
    ...inputs.flatMap((value) => message(11, valueInfo(value))),
    ...outputs.flatMap((value) => message(12, valueInfo(value))),
  ];
}

function attribute(name: string, value: number): number[] {
  return [...text(1, name), ...number(3, value), ...number(20, INT_ATTRIBUTE)];
}

/** ValueInfoProto {1: name, 2: TypeProto {1: Tensor {1: element type, 2: shape {1: dimension {1: size}}}}} */
function valueInfo({ name, type, shape }: ModelValue): number[] {
  const dimensions = shape.flatMap((size) => message(1, number(1, size)));
  const tensor = [...number(1, ELEMENT[type]), ...message(2, dimensions)];
  return [...text(1, name), ...message(2, message(1, tensor))];
}

function number(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

function text(field: number, value: string): number[] {
  return message(field, [...new TextEncoder().encode(value)]);
}

function message(field: number, bytes: readonly number[]): number[] {
  return [...varint(field << 3 | 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}
