meta:
  id: nvc
  title: nvc bitstream, version 1 (framing and headers)
  file-extension: nvc
  license: CC0-1.0
  endian: be
doc: |
  Machine-readable companion of bitstream.md: everything that stands in whole bits. Range coder runs (the values of
  KEYFRAME, the coded payload of MOTION) and coded pictures stay bytes. The names are those of the text.
  It parses files; for a live stream, parse units one by one. It checks no CRC and no order of units.
seq:
  - id: signature
    contents: [0x89, 0x4e, 0x56, 0x43, 0x0d, 0x0a, 0x1a, 0x0a]
  - id: units
    type: unit
    repeat: until
    repeat-until: _io.eof or _.unit_type == unit_type::end
enums:
  unit_type:
    0: sequence
    1: keyframe
    2: motion
    3: picture
    4: reserved_enhancement
    5: reserved_5
    6: reserved_6
    7: end
    8: audio
    9: metadata
    10: index
    11: resync
    12: reserved_12
    13: reserved_13
    14: reserved_14
    15: reserved_15
  expression_transform:
    0: keypoints
    1: basis
  picture_codec:
    0: h264
types:
  unit:
    seq:
      - id: forbidden_zero
        type: b1
        valid: false
      - id: unit_type
        type: b4
        enum: unit_type
      - id: crc_flag
        type: b1
      - id: extension_flag
        type: b1
      - id: reserved_zero
        type: b1
      - id: extension
        type: u1
        if: extension_flag
        doc: |
          On a key_frame, 1: an output frame shown as decoded; 2: a source only, which is no output frame and leaves its
          presentation_index to the next one. Other values, and any value on another unit, mean nothing.
      - id: unit_size
        type: leb128
      - id: payload
        size: unit_size.value
        type:
          switch-on: unit_type
          cases:
            'unit_type::sequence': sequence
            'unit_type::keyframe': key_frame
            'unit_type::motion': motion
            'unit_type::picture': picture
            'unit_type::end': end
            'unit_type::audio': audio
            'unit_type::metadata': metadata
            'unit_type::index': index
            'unit_type::resync': resync
      - id: crc
        size: 'unit_type == unit_type::motion ? 2 : 4'
        if: crc_flag
  leb128:
    doc: Seven bits a byte, least significant first. The shortest form is required and not checked here.
    seq:
      - id: groups
        type: leb128_group
        repeat: until
        repeat-until: not _.more
    instances:
      value:
        value: >-
          groups[0].bits
          + (groups.size > 1 ? groups[1].bits << 7 : 0)
          + (groups.size > 2 ? groups[2].bits << 14 : 0)
          + (groups.size > 3 ? groups[3].bits << 21 : 0)
          + (groups.size > 4 ? groups[4].bits << 28 : 0)
          + (groups.size > 5 ? groups[5].bits << 35 : 0)
          + (groups.size > 6 ? groups[6].bits << 42 : 0)
          + (groups.size > 7 ? groups[7].bits << 49 : 0)
          + (groups.size > 8 ? groups[8].bits << 56 : 0)
  leb128_group:
    seq:
      - id: more
        type: b1
      - id: bits
        type: b7
  signed:
    seq:
      - id: code
        type: leb128
    instances:
      value:
        value: 'code.value % 2 == 0 ? code.value / 2 : 0 - (code.value + 1) / 2'
  block:
    seq:
      - id: len
        type: leb128
      - id: data
        size: len.value
  sequence:
    seq:
      - id: version
        type: u1
        valid: 1
      - id: micro_version
        type: u1
      - id: profile
        type: b4
      - id: level
        type: b4
      - id: side
        type: leb128
      - id: source_width
        type: leb128
      - id: source_height
        type: leb128
      - id: crop_x
        type: signed
      - id: crop_y
        type: signed
      - id: crop_side
        type: leb128
      - id: frame_rate_numerator
        type: leb128
      - id: frame_rate_denominator
        type: leb128
      - id: colour_primaries
        type: u1
      - id: transfer_characteristics
        type: u1
      - id: matrix_coefficients
        type: u1
      - id: picture_codec
        type: b4
        enum: picture_codec
      - id: expression_transform
        type: b4
        enum: expression_transform
      - id: model_id
        size: 16
      - id: keypoint_count
        type: leb128
      - id: expression_count
        type: leb128
      - id: pose_quantiser
        type: u1
      - id: expression_quantiser
        type: u1
      - id: canonical_quantiser
        type: u1
      - id: motion_group
        type: u1
      - id: full_range
        type: b1
      - id: error_resilient
        type: b1
      - id: synthetic
        type: b1
      - id: motion_crc
        type: b2
      - id: flags_zero
        type: b3
      - id: extension
        size-eos: true
  key_frame:
    seq:
      - id: presentation_index
        type: leb128
      - id: source_slot
        type: b4
      - id: picture_codec
        type: b4
        enum: picture_codec
      - id: coded_width
        type: leb128
      - id: coded_height
        type: leb128
      - id: values_size
        type: leb128
      - id: values
        size: values_size.value
      - id: picture
        size-eos: true
  motion:
    seq:
      - id: coded
        size-eos: true
  picture:
    seq:
      - id: presentation_index
        type: leb128
      - id: picture_count
        type: leb128
      - id: picture
        size-eos: true
  end:
    seq: []
  audio:
    seq:
      - id: header_flag
        type: u1
      - id: header
        type: audio_header
        if: header_flag == 1
      - id: packets
        type: audio_packet
        repeat: eos
  audio_header:
    seq:
      - id: codec
        type: block
      - id: time_base_numerator
        type: leb128
      - id: time_base_denominator
        type: leb128
      - id: sample_rate
        type: leb128
      - id: channels
        type: u1
      - id: extradata
        type: block
  audio_packet:
    seq:
      - id: pts_difference
        type: signed
      - id: duration
        type: leb128
      - id: data
        type: block
  metadata:
    seq:
      - id: entries
        type: metadata_entry
        repeat: eos
  metadata_entry:
    seq:
      - id: key
        type: block
      - id: value
        type: block
  index:
    seq:
      - id: entries
        type: index_entry
        repeat: eos
  index_entry:
    seq:
      - id: index_difference
        type: leb128
      - id: offset_difference
        type: leb128
  resync:
    seq:
      - id: pattern
        contents: [0xd5, 0x4e, 0x56, 0x52]
      - id: presentation_index
        type: leb128
      - id: key_distance
        type: leb128
