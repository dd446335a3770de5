import { describe, expect, it } from "vitest";
import { bytes, family, pixels, resultName } from "./names";

describe("resultName", () => {
  it.each([
    ["photo.jpg", 4, "PNG", "photo_x4.png"],
    ["holiday.in.rome.JPEG", 2, "JPEG", "holiday.in.rome_x2.jpg"],
    ["noname", 4, "WEBP", "noname_x4.webp"],
    [".hidden", 4, "PNG", ".hidden_x4.png"],
    ["../../etc/passwd", 4, "PNG", "passwd_x4.png"],
    ["C:\\pictures\\кот.png", 4, "PNG", "кот_x4.png"],
    ["", 2, "PNG", "picture_x2.png"],
  ])("%s, %d, %s -> %s", (original, scale, format, expected) => {
    expect(resultName(original, scale, format)).toBe(expected);
  });
});

describe("bytes", () => {
  const units = ["B", "KB", "MB"];
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1536, "1.5 KB"],
    [67_108_864, "64 MB"],
    [5 * 1024 ** 3, "5,120 MB"],
  ])("%d -> %s", (count, expected) => expect(bytes(count, "en", units)).toBe(expected));

  it("uses the reader's own comma", () => expect(bytes(1536, "ru", ["Б", "КБ"])).toBe("1,5 КБ"));
});

it("names a model's family without its factor", () => {
  expect(family("edsr_light_x4")).toBe("edsr_light");
  expect(family("x4net")).toBe("x4net");
});

it("writes a size with thin spaces", () => expect(pixels(4, 3)).toBe("4\u2009×\u20093"));
